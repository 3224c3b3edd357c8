//! Policy of one call: what the tool declared, what the operator denies to every tool, and to what the caller is narrowed.

use std::sync::{Arc, Once};

use porthole_cluster::ApiServer;
use porthole_contract::{Failure, Kind, Verb};

use super::{
    Ceiling, Denied, Grant,
    caller_policy::{Read, Scope},
    home::Home,
};

/// The grant of a tool together with the deny list and the caller's policy, so that no read can be checked against one of
/// them alone.
pub(super) struct Policy {
    grant: Arc<Grant>,
    ceiling: Ceiling,
    denied: Arc<Denied>,
    home: Home,
    idle_warned: Arc<Once>,
}

impl Policy {
    pub(super) fn new(
        grant: Arc<Grant>,
        ceiling: Ceiling,
        denied: Arc<Denied>,
        home: Home,
        idle_warned: Arc<Once>,
    ) -> Self {
        Self { grant, ceiling, denied, home, idle_warned }
    }

    /// Warns the operator once of denied entries that match none of the cluster's kinds.
    pub(super) fn warn_of_idle_entries(&self, kinds: impl FnOnce() -> Option<Vec<Arc<Kind>>>) {
        self.denied.warn_of_idle_entries(&self.idle_warned, kinds);
    }

    /// Default namespace of the call: the host's, or the first that the caller may read if that is another.
    pub(super) fn default_namespace<'a>(&'a self, server: &'a ApiServer) -> &'a str {
        let host = self.home.default_namespace(server);
        match self.ceiling.namespaces() {
            Some(open) if !open.contains(host) => open.first().copied().unwrap_or(host),
            _ => host,
        }
    }

    /// Default namespace, if a person chose it and the caller may read it.
    pub(super) fn preferred_namespace<'a>(&'a self, server: &'a ApiServer) -> Option<&'a str> {
        let is_open =
            |preferred: &&str| self.ceiling.namespaces().is_none_or(|open| open.contains(preferred));
        self.home.preferred_namespace(server).filter(is_open)
    }

    /// Rejects a read of a kind that is undeclared, denied, or not open to the caller in this namespace. `None` is all
    /// namespaces, or none for a kind without them.
    pub(super) fn allow(&self, verb: Verb, kind: &Kind, namespace: Option<&str>) -> Result<(), Failure> {
        self.grant.check(verb, &kind.group, &kind.plural)?;
        self.denied.check(kind)?;
        let scope = match namespace {
            _ if !kind.namespaced => Scope::Cluster,
            Some(namespace) => Scope::Namespace(namespace),
            None => Scope::AllNamespaces,
        };
        self.ceiling.check(Read::Kind(kind), scope)
    }

    /// As [`Self::allow`], for a kind of Kubernetes or a subresource such as `pods/log`.
    pub(super) fn allow_built_in(
        &self,
        verb: Verb,
        group: &str,
        resource: &str,
        scope: Scope<'_>,
    ) -> Result<(), Failure> {
        self.grant.check(verb, group, resource)?;
        self.denied.check_built_in(group, resource)?;
        self.ceiling.check(Read::BuiltIn { group, resource }, scope)
    }

    /// Rejects what the operator denies, for a read that the host makes for itself. The namespace of such a read was
    /// allowed before.
    pub(super) fn allow_undeclared(&self, group: &str, resource: &str) -> Result<(), Failure> {
        self.denied.check_built_in(group, resource)
    }
}
