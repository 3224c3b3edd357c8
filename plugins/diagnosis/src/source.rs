//! The reads of a diagnosis. A component makes them of the cluster; a test of recorded objects.

use serde_json::Value;

use crate::{Kind, Reference};

/// A list of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The kind.
    pub kind: Kind,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Only the objects that fit a field selector of the API server: `metadata.name=web`.
    pub field_selector: Option<String>,
    /// Fields of each object.
    pub fields: Vec<&'static str>,
    /// Only the first page, of a few hundred objects: what is behind it is read otherwise.
    pub is_first_page: bool,
}

/// The objects of a list.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The objects.
    pub items: Vec<Value>,
    /// The reason for which there are more than these; empty if there are not.
    pub cut: String,
}

/// A pod in few words, as `kubectl get` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Its containers that are ready, of all: `1/2`.
    pub ready: String,
    /// `Running`, or the reason of the first container that does not run.
    pub status: String,
}

/// A read of a container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRead {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// The instance before the last restart.
    pub is_previous: bool,
    /// Number of lines at its end; None: all of it.
    pub tail: Option<u32>,
    /// Only lines that match, with this number of lines around each.
    pub pattern: Option<(String, u32)>,
}

/// Lines of a log.
#[derive(Debug, Clone, Default)]
pub struct LogLines {
    /// The lines, each after its time.
    pub text: String,
    /// Lines that were read for them.
    pub lines_read: u64,
    /// The part that was not read; empty if it was read whole.
    pub unread: String,
}

/// Reason that a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The API server knows no such object.
    NotFound,
    /// The cluster does not serve the kind.
    Unsupported,
    /// Anything else, such as `forbidden`: nothing follows from it.
    Failed(String),
}

/// The cluster of a diagnosis. Each function answers as many results as it is asked for, in their order.
pub trait Source {
    /// Seconds since 1970, by the clock of the API server.
    fn now(&self) -> u64;
    /// Lists of objects.
    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>>;
    /// All pods of a namespace in few words: there may be ten thousand.
    fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread>;
    /// Objects, or only their fields of [`Kind::fields`].
    fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>>;
    /// Lines of logs.
    fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>>;
}
