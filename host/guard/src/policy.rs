//! Policy of one call: what the tool declared, and what the operator denies to every tool.

use std::sync::{Arc, Once};

use porthole_contract::{Failure, Kind, Verb};

use super::{Denied, Grant};

/// The grant of a tool together with the deny list, so that no read can be checked against one of them alone.
pub(super) struct Policy {
    grant: Arc<Grant>,
    denied: Arc<Denied>,
    idle_warned: Arc<Once>,
}

impl Policy {
    pub(super) fn new(grant: Arc<Grant>, denied: Arc<Denied>, idle_warned: Arc<Once>) -> Self {
        Self { grant, denied, idle_warned }
    }

    /// Warns the operator once of denied entries that match none of the cluster's kinds.
    pub(super) fn warn_of_idle_entries(&self, kinds: impl FnOnce() -> Option<Vec<Arc<Kind>>>) {
        self.denied.warn_of_idle_entries(&self.idle_warned, kinds);
    }

    /// Rejects a read of a kind that is undeclared or denied.
    pub(super) fn allow(&self, verb: Verb, kind: &Kind) -> Result<(), Failure> {
        self.grant.check(verb, &kind.group, &kind.plural)?;
        self.denied.check(kind)
    }

    /// As [`Self::allow`], for a kind of Kubernetes or a subresource such as `pods/log`.
    pub(super) fn allow_built_in(&self, verb: Verb, group: &str, resource: &str) -> Result<(), Failure> {
        self.grant.check(verb, group, resource)?;
        self.denied.check_built_in(group, resource)
    }

    /// Rejects what the operator denies, for a read that the host makes for itself.
    pub(super) fn allow_undeclared(&self, group: &str, resource: &str) -> Result<(), Failure> {
        self.denied.check_built_in(group, resource)
    }
}
