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

#[cfg(test)]
mod tests {
    use porthole_cluster::answering::answering_by_path;
    use porthole_contract::ReadRule;

    use super::*;
    use crate::caller_policy::{CallerPolicy, CallerRule, PolicyDefault};

    /// A tool that may read everything, of a caller that may read these namespaces, on a host with a default of its own.
    fn policy(open: &[&str]) -> Policy {
        let all = || vec!["*".to_owned()];
        let rule = ReadRule::parse(all(), all(), [Verb::Get, Verb::List]).unwrap();
        let namespaces = open.iter().map(|name| (*name).to_owned()).collect();
        let rules = vec![CallerRule { namespaces: Some(namespaces), ..CallerRule::default() }];
        let ceiling = CallerPolicy::new(rules, PolicyDefault::Allow).ceiling("jane", &[]);
        let home = Home::new(Some("team".to_owned()));
        Policy::new(Arc::new(Grant::new(vec![rule])), ceiling, Arc::default(), home, Arc::new(Once::new()))
    }

    /// The attack: a read of a kind without namespaces that names one of the caller's.
    #[test]
    fn a_namespace_beside_a_kind_without_one_opens_nothing() {
        let kind = |namespaced| Kind {
            group: "example.com".to_owned(),
            version: "v1".to_owned(),
            plural: "things".to_owned(),
            singular: String::new(),
            kind: "Thing".to_owned(),
            short_names: Vec::new(),
            namespaced,
            verbs: Vec::new(),
        };
        let policy = policy(&["shop"]);
        assert!(policy.allow(Verb::Get, &kind(true), Some("shop")).is_ok());
        assert!(policy.allow(Verb::Get, &kind(false), Some("shop")).is_err());
        assert!(policy.allow(Verb::Get, &kind(true), None).is_err());
    }

    #[tokio::test]
    async fn the_default_namespace_is_one_that_the_caller_may_read() {
        let (server, _requests) = answering_by_path(|_| None).await;
        let narrow = policy(&["web", "shop"]);
        assert_eq!((narrow.default_namespace(&server), narrow.preferred_namespace(&server)), ("shop", None));
        let wide = policy(&["shop", "team"]);
        assert_eq!(
            (wide.default_namespace(&server), wide.preferred_namespace(&server)),
            ("team", Some("team"))
        );
        assert_eq!(policy(&[]).default_namespace(&server), "team");
    }
}
