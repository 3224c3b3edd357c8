//! Read-only client of one Kubernetes cluster: connections, discovery, objects, lists, logs and access reviews.
//!
//! Every request carries the credential of the call that it belongs to. No function here writes.

mod access;
#[cfg(any(test, feature = "answering"))]
pub mod answering;
mod budget;
mod builtin;
mod changes;
mod connections;
#[cfg(feature = "fuzz")]
pub mod costs;
mod envelope;
mod explain;
mod failure;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod in_cluster;
mod kinds;
mod logs;
mod mask;
mod namespaces;
mod nodes;
mod objects;
mod releases;
mod request;
mod server;
mod shape;
mod source;
mod table;
mod throttle;
mod work;

pub use access::{can_i, server_version, who_am_i};
pub use budget::ReadBudget;
pub use builtin::{BUILT_IN, BuiltIn, SUBRESOURCES};
pub use changes::object_changes;
pub use explain::explain;
pub use kinds::Kinds;
pub use logs::{Case, LogReader, Patterns, SearchPatterns, open_log, pod_log, search_log};
pub use mask::Masking;
pub use namespaces::{namespace_exists, similar_namespaces};
pub use nodes::node_read;
pub use objects::{get_object, list_objects};
pub use releases::{StoredRelease, UnpackBudget, read_release, stored_releases, stored_revisions};
pub use server::{ApiServer, Client};
pub use shape::{Redaction, ValueMasks};
pub use source::{ConnectError, Source};
pub use work::Workers;

/// A cluster to read: connections to its API server, its kinds, and workers for its answers.
pub struct Cluster {
    /// Connections to the API server.
    pub server: ApiServer,
    /// Kinds that the cluster serves.
    pub kinds: Kinds,
    /// Threads for CPU-heavy work on answers.
    pub workers: Workers,
}

impl Cluster {
    /// Creates a cluster behind this API server.
    pub fn new(server: ApiServer) -> Self {
        Self { server, kinds: Kinds::default(), workers: Workers::default() }
    }
}
