//! Accounts that ask: the guide's reader, and others that see less.

use porthole_e2e::root;
use serde_json::{Value, json};

/// An account that may not read everything.
pub(crate) struct Other {
    pub(crate) name: &'static str,
    pub(crate) within_one_namespace: bool,
    pub(crate) rules: fn() -> Value,
}

pub(crate) const OTHERS: [Other; 4] = [
    Other { name: "pods-and-events", within_one_namespace: true, rules: pods_and_events },
    Other { name: "one-namespace", within_one_namespace: true, rules: reader },
    Other {
        name: "without-rbac",
        within_one_namespace: false,
        rules: || without(&["rbac.authorization.k8s.io"]),
    },
    Other {
        name: "without-metrics",
        within_one_namespace: false,
        rules: || without(&["metrics.k8s.io", "apiregistration.k8s.io"]),
    },
];

/// Rules of the ClusterRole that deploy/kubernetes.yaml grants.
pub(crate) fn reader() -> Value {
    let manifest = std::fs::read_to_string(root().join("deploy/kubernetes.yaml")).unwrap();
    let documents = manifest.split("\n---\n");
    let mut objects = documents.map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let role = objects.find(|object| {
        object["kind"] == "ClusterRole" && object["metadata"]["name"] == "k8s-mcp-server-reader"
    });
    role.unwrap()["rules"].clone()
}

fn without(groups: &[&str]) -> Value {
    let mut rules = reader();
    rules
        .as_array_mut()
        .unwrap()
        .retain(|rule| !groups.iter().any(|group| rule["apiGroups"] == json!([group])));
    rules
}

fn pods_and_events() -> Value {
    json!([{"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list"]}])
}
