//! Columns of service accounts and role bindings.

use serde_json::Value;

use super::{
    Printer,
    cells::{age, items, name, text},
};

pub(super) const SERVICE_ACCOUNTS: Printer = Printer {
    columns: &[("Name", 0), ("Secrets", 0), ("Age", 0)],
    cells: |account, now| vec![name(account), items(account, "/secrets").count().into(), age(account, now)],
};

/// For both kinds, RoleBinding and ClusterRoleBinding.
pub(super) const BINDINGS: Printer = Printer {
    columns: &[("Name", 0), ("Role", 0), ("Age", 0), ("Users", 1), ("Groups", 1), ("ServiceAccounts", 1)],
    cells: binding,
};

fn binding(binding: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let subjects = items(binding, "/subjects").filter(|subject| subject["kind"] == kind);
        let names = subjects.map(|subject| match subject["namespace"].as_str() {
            Some(namespace) => format!("{namespace}/{}", text(subject, "/name")),
            None => text(subject, "/name"),
        });
        Value::from(names.collect::<Vec<_>>().join(", "))
    };
    vec![
        name(binding),
        format!("{}/{}", text(binding, "/roleRef/kind"), text(binding, "/roleRef/name")).into(),
        age(binding, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}
