//! Reading one Kubernetes cluster: a shared connection, the kinds it serves, objects, lists, logs and access reviews.
//!
//! Knows: the Kubernetes API over HTTP, and that every request carries the credential of whoever asks.
//! Does not know: tools, policy, MCP. There is no function here that writes.

mod access;
mod allowance;
#[cfg(test)]
mod answering;
mod builtin;
mod connections;
mod explain;
mod failure;
mod kinds;
mod logs;
mod names;
mod namespaces;
mod nodes;
mod objects;
mod pod;
mod releases;
mod server;
mod shape;
mod table;
mod work;

pub(crate) use access::{AccessQuery, UserInfo, Verdict, can_i, server_version, who_am_i};
pub(crate) use allowance::Allowance;
pub(crate) use builtin::{BUILT_IN, BuiltIn, PARTS};
pub(crate) use explain::explain;
pub(crate) use failure::{Failure, Reason};
pub(crate) use kinds::{Kind, KindRef, Kinds};
pub(crate) use logs::{Cut, LogQuery, LogText, Patterns, pod_log};
pub(crate) use names::{is_label, is_subdomain};
pub(crate) use namespaces::{namespace_exists, near_namespaces};
pub(crate) use nodes::{NodeQuery, NodeSource, node_read};
pub(crate) use objects::{GetQuery, ListQuery, Page, View, get_object, list_objects};
pub(crate) use releases::{Release, Stored, UnpackBudget, release, stored_releases};
pub(crate) use server::{ApiServer, Credential, Source};
pub(crate) use shape::Withheld;
pub(crate) use work::Workers;

/// A cluster to read: the connection to its API server, the kinds that it serves, and who works on its answers.
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) kinds: Kinds,
    pub(crate) workers: Workers,
}

impl Cluster {
    pub(crate) fn new(server: ApiServer) -> Self {
        Self { server, kinds: Kinds::default(), workers: Workers::default() }
    }
}
