//! Objects, in the API server's list order.

use serde_json::Value;

use crate::kinds::Kind;

/// An object of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// `None` for cluster-scoped objects.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) json: Value,
}

impl Object {
    pub(crate) fn new(kind: Kind, json: Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let namespace = text(&json["metadata"]["namespace"]).filter(|_| kind.namespaced);
        let name = text(&json["metadata"]["name"]).unwrap_or_default();
        Self { kind, namespace, name, json }
    }

    /// Sort key of etcd: resource, namespace, name.
    pub(crate) fn key(&self) -> String {
        key(&self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Part of the key that orders a list.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.namespace.as_deref().unwrap_or_default(), self.name)
    }
}

fn key(kind: &Kind, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}/{name}", kind.qualified_name(), namespace.unwrap_or_default())
}

/// Deterministic uid, so that owner references need not contain one.
pub(crate) fn uid(kind: &str, namespace: &str, name: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, kind, namespace, name).hash(&mut hasher);
        hasher.finish()
    };
    uuid::Builder::from_random_bytes(uuid::Uuid::from_u64_pair(half(0), half(1)).into_bytes())
        .into_uuid()
        .to_string()
}
