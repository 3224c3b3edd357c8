//! A change, and the topics by which changes are ordered where there are too many.

use std::collections::BTreeSet;

/// The topic of a change, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Rollout,
    OutOfMemory,
    Node,
    Eviction,
    Helm,
    Config,
    Policy,
    Scaling,
    Restart,
    Warning,
    Creation,
}

impl Topic {
    /// A word for many of them.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Rollout => "rollouts",
            Self::OutOfMemory => "kills for memory",
            Self::Node => "changes of nodes",
            Self::Eviction => "evictions",
            Self::Helm => "Helm revisions",
            Self::Config => "changes of configuration",
            Self::Policy => "changes of quotas and policies",
            Self::Scaling => "scalings",
            Self::Restart => "restarts",
            Self::Warning => "warnings",
            Self::Creation => "creations",
        }
    }
}

/// A change: one line of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Seconds since 1970.
    pub(crate) time: u64,
    pub(crate) topic: Topic,
    /// Empty for a cluster-scoped kind.
    pub(crate) namespace: String,
    /// Names of the objects that it is about, and of the workloads that use them.
    pub(crate) names: Vec<String>,
    /// The event in words, with foreign text in it.
    pub(crate) text: String,
}

impl Entry {
    pub(crate) fn new(time: u64, topic: Topic, namespace: &str, name: &str, text: String) -> Self {
        Self { time, topic, namespace: namespace.to_owned(), names: vec![name.to_owned()], text }
    }

    /// True if one of its names contains `name`, or if it is a quota or policy of one of the namespaces.
    pub(crate) fn is_about(&self, name: &str, places: &BTreeSet<&str>) -> bool {
        let is_around = self.topic == Topic::Policy && places.contains(self.namespace.as_str());
        is_around || self.names.iter().any(|other| other.to_lowercase().contains(name))
    }
}

/// `Deployment shop/web`, `Node n1`
pub(crate) fn subject(kind: &str, namespace: &str, name: &str) -> String {
    match namespace {
        "" => format!("{kind} {name}"),
        _ => format!("{kind} {namespace}/{name}"),
    }
}
