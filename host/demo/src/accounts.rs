//! Accounts: three ServiceAccounts with tokens generated at this start.

use std::fmt;

use serde_json::{Value, json};

/// Demonstrated level of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads everything.
    Admin,
    /// Reads one namespace.
    Developer,
    /// Is authenticated, but may read nothing.
    Nobody,
}

/// A ServiceAccount and its token.
#[derive(Clone)]
pub struct Account {
    /// Demonstrated level of access.
    pub role: Role,
    /// Namespace of the account; a developer may read this one.
    pub namespace: String,
    /// Name in that namespace.
    pub name: String,
    /// Bearer token, valid until the cluster stops.
    pub token: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.username()).finish_non_exhaustive()
    }
}

impl Account {
    /// User name, such as `system:serviceaccount:shop:developer`.
    #[must_use]
    pub fn username(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// Groups that the API server assigns to a ServiceAccount.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let own = format!("system:serviceaccounts:{}", self.namespace);
        vec!["system:serviceaccounts".to_owned(), own, "system:authenticated".to_owned()]
    }
}

/// Creates the three accounts. The developer's namespace is `shop`, or else the first non-system namespace.
pub(crate) fn make(namespaces: &[String]) -> Vec<Account> {
    let ours = namespaces.iter().find(|name| *name == "shop");
    let first = || namespaces.iter().find(|name| !name.starts_with("kube-") && *name != "mcp-tools");
    let shop = ours.or_else(first).map_or("default", String::as_str);
    [
        (Role::Admin, "mcp-tools", "admin"),
        (Role::Developer, shop, "developer"),
        (Role::Nobody, "mcp-tools", "nobody"),
    ]
    .map(|(role, namespace, name)| Account {
        role,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        token: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
    })
    .into()
}

/// Manifests of the accounts, their roles `cluster-admin` and `view`, and the bindings.
pub(crate) fn manifests(accounts: &[Account]) -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io";
    let role = |name: &str, rules: Value| json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    let mut manifests = vec![
        role(
            "cluster-admin",
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        ),
        // The part of the API server's `view` that is served here, without Secrets, nodes and roles.
        role(
            "view",
            json!([
                {"apiGroups": [""], "verbs": ["get", "list", "watch"], "resources": ["bindings", "configmaps", "endpoints", "events",
                    "limitranges", "namespaces", "persistentvolumeclaims", "pods", "pods/log", "replicationcontrollers",
                    "resourcequotas", "serviceaccounts", "services"]},
                {"apiGroups": ["apps", "autoscaling", "batch", "discovery.k8s.io", "networking.k8s.io", "policy", "metrics.k8s.io"],
                    "verbs": ["get", "list", "watch"], "resources": ["*"]},
            ]),
        ),
    ];
    for account in accounts {
        let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
        manifests.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}));
        let (kind, role, within) = match account.role {
            Role::Admin => ("ClusterRoleBinding", "cluster-admin", Value::Null),
            Role::Developer => ("RoleBinding", "view", namespace.into()),
            Role::Nobody => continue,
        };
        manifests.push(json!({
            "apiVersion": format!("{rbac}/v1"),
            "kind": kind,
            "metadata": {"name": format!("{name}-{role}"), "namespace": within},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        }));
    }
    manifests
}
