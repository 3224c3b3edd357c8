//! The reads behind an answer. A component makes them of the cluster; a test of recorded objects.

use serde_json::Value;

/// A list of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// For example `deployments.apps`.
    pub resource: &'static str,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Only the objects that fit a field selector of the API server.
    pub field_selector: Option<String>,
    /// Fields of each object.
    pub fields: &'static [&'static str],
    /// Objects after which no further page is read.
    pub max: u32,
}

/// A pod in the API server's own table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodRow {
    /// Its namespace, if the table has it.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// `Running`, `Evicted`.
    pub status: String,
    /// `14 (4m10s ago)`; only the number if none is known.
    pub restarts: String,
}

/// The last write of a manager to an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Write {
    /// Empty for a cluster-scoped kind.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// RFC 3339: creation of the object.
    pub created: String,
    /// The name that the program gave itself.
    pub manager: String,
    /// RFC 3339.
    pub time: String,
    /// Empty for the object itself.
    pub subresource: String,
    /// Names of fields, two levels at most.
    pub fields: Vec<String>,
    /// Fields beyond these.
    pub more_fields: u32,
}

/// A revision of a Helm release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Counted from 1.
    pub revision: u32,
    /// `deployed`, `failed`.
    pub status: String,
    /// The chart with its version.
    pub chart: String,
    /// The version of what the chart installs.
    pub app_version: String,
    /// RFC 3339, with any offset.
    pub updated: String,
}

/// Reason that a read has no answer, or not all of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The cluster does not serve it: nothing is missing.
    Unsupported,
    /// The namespace does not exist; a sentence that says so.
    NoNamespace(String),
    /// The caller may not read it.
    Forbidden,
    /// Anything else, such as a limit.
    Failed(String),
}

/// The part that was read, and the reason that it is not all.
pub type Read<T> = (Vec<T>, Option<Unread>);

/// The cluster of an answer. What is read in pages is read to its end, or to a limit that the reason names.
pub trait Source {
    /// Seconds since 1970, by the clock of the API server.
    fn now(&self) -> u64;
    /// Namespaces to try for a caller who may not read all of them; few, since each costs a read.
    fn namespaces(&mut self) -> Vec<String>;
    /// Lists of objects, in the order of the questions.
    fn lists(&mut self, lists: &[List]) -> Vec<Read<Value>>;
    /// The pods of a namespace, or of all, in a few words each.
    fn pods(&mut self, namespace: Option<&str>) -> Read<PodRow>;
    /// The writes to the objects of a resource since a time (RFC 3339).
    fn writes(&mut self, resource: &'static str, namespace: Option<&str>, since: &str) -> Read<Write>;
    /// The newest revision of each Helm release.
    fn releases(&mut self, namespace: Option<&str>) -> Read<Release>;
    /// All revisions of a Helm release, the newest first.
    fn history(&mut self, namespace: &str, name: &str) -> Read<Release>;
}
