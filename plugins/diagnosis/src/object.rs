//! An object of the cluster, and short forms to look into its JSON. A field that is absent reads as empty.

use serde_json::Value;

use crate::{Kind, time};

/// Identity of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Empty for a cluster-scoped kind.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Reference {
    /// The object `name` of `kind`; `namespace` is ignored where the kind has none.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace.to_owned() } else { String::new() };
        Self { kind, namespace, name: name.to_owned() }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// An object as it was read.
#[derive(Debug, Clone)]
pub struct Object {
    kind: Kind,
    value: Value,
}

/// A condition of an object's status.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'o> {
    /// `True`, `False`, `Unknown`.
    pub status: &'o str,
    /// One word, for programs.
    pub reason: &'o str,
    /// A sentence, for people.
    pub message: &'o str,
    /// Seconds since 1970 of its last transition.
    pub since: Option<u64>,
}

impl Object {
    /// An object of `kind`.
    pub fn new(kind: Kind, value: Value) -> Self {
        Self { kind, value }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its identity.
    pub fn reference(&self) -> Reference {
        Reference::new(self.kind, self.namespace(), self.name())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Its namespace; empty for a cluster-scoped kind.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// Seconds since 1970 of its creation.
    pub fn created(&self) -> Option<u64> {
        time::parse(self.text("/metadata/creationTimestamp"))
    }

    /// Seconds since 1970 at which its grace period ends, if it is being deleted.
    pub fn deleted(&self) -> Option<u64> {
        time::parse(self.text("/metadata/deletionTimestamp"))
    }

    /// The JSON at a pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// The text at a pointer.
    pub fn text(&self, pointer: &str) -> &str {
        text(&self.value, pointer)
    }

    /// The number at a pointer.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    /// True if there is `true` at a pointer.
    pub fn flag(&self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The items at a pointer.
    pub fn list(&self, pointer: &str) -> &[Value] {
        list(&self.value, pointer)
    }

    /// The names and texts of the map at a pointer: labels, a selector.
    pub fn map(&self, pointer: &str) -> Vec<(&str, &str)> {
        map(self.at(pointer))
    }

    /// The condition of a type.
    pub fn condition(&self, kind: &str) -> Option<Condition<'_>> {
        let value = self.list("/status/conditions").iter().find(|value| text(value, "/type") == kind)?;
        Some(Condition {
            status: text(value, "/status"),
            reason: text(value, "/reason"),
            message: text(value, "/message"),
            since: time::parse(text(value, "/lastTransitionTime")),
        })
    }

    /// Its controller, or else its first owner: kind and name.
    pub fn owner(&self) -> Option<(&str, &str)> {
        let owners = self.list("/metadata/ownerReferences");
        let controls =
            |owner: &&Value| owner.pointer("/controller").and_then(Value::as_bool).unwrap_or_default();
        let owner = owners.iter().find(controls).or(owners.first())?;
        Some((text(owner, "/kind"), text(owner, "/name")))
    }
}

/// The text at a pointer; empty if there is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items at a pointer; empty if there are none.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The names and texts of a map.
pub fn map(value: Option<&Value>) -> Vec<(&str, &str)> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}
