//! Deny list of the operator (`denied`): kinds that no tool may read, for any caller.
//!
//! Entries resolve as reads do, by plural, singular, kind or short name: `secret` denies `secrets` too.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Once};

use porthole_contract::{Echo, Failure, Kind, Reason};

use crate::kind_pattern::{KindPattern, is_built_in, parse_entry};

/// Denied kinds, written as `secrets`, `Deployment`, `deploy.apps`, `pods/log`, `certificates.cert-manager.io`, or
/// `*.rbac.authorization.k8s.io` for a whole group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denied(Vec<KindPattern>);

impl Denied {
    /// Resolves the entries; the error names the invalid one.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let mut denied = Vec::new();
        for name in names {
            denied.extend(parse_entry(name).map_err(|mistake| format!("denied: {} {mistake}", Echo(name)))?);
        }
        Ok(Self(denied))
    }

    /// Rejects a denied kind.
    pub(super) fn check(&self, kind: &Kind) -> Result<(), Failure> {
        let matches = |denied: &KindPattern| denied.matches(kind);
        self.refuse(matches, &format!("{}/{}, Kind={}", kind.group, kind.version, kind.kind))
    }

    /// Rejects a kind of Kubernetes or a subresource such as `pods/log`. Denying a kind denies its subresources.
    pub(super) fn check_built_in(&self, group: &str, resource: &str) -> Result<(), Failure> {
        let plural = resource.split('/').next().unwrap_or(resource);
        let matches =
            |denied: &KindPattern| denied.is_exactly(group, resource) || denied.is_exactly(group, plural);
        self.refuse(matches, resource)
    }

    fn refuse(&self, matches: impl Fn(&KindPattern) -> bool, named: &str) -> Result<(), Failure> {
        if !self.0.iter().any(matches) {
            return Ok(());
        }
        Err(Failure::new(
            Reason::NotGranted,
            format!(
                "resource not allowed: {named}. The operator of Porthole has closed it for every tool (`denied`)."
            ),
        ))
    }

    /// Warns of entries in custom groups that match no kind of the cluster, once for each `warned`: discovery runs after
    /// startup and again later.
    pub(super) fn warn_of_idle_entries(&self, warned: &Once, kinds: impl FnOnce() -> Option<Vec<Arc<Kind>>>) {
        if warned.is_completed() {
            return;
        }
        let Some(kinds) = kinds() else { return };
        warned.call_once(|| {
            for idle in self.idle(&kinds) {
                tracing::warn!("denied: {idle} closes nothing: the cluster serves no such kind");
            }
        });
    }

    /// Entries in custom groups that match none of `kinds`.
    fn idle(&self, kinds: &[Arc<Kind>]) -> Vec<String> {
        let custom = |denied: &&KindPattern| match denied {
            KindPattern::Custom { .. } => true,
            KindPattern::Group(group) => !is_built_in(group),
            KindPattern::BuiltIn(_) | KindPattern::Subresource(_) => false,
        };
        let idle =
            self.0.iter().filter(custom).filter(|denied| !kinds.iter().any(|kind| denied.matches(kind)));
        idle.map(|denied| match denied {
            KindPattern::Custom { name, groups } => format!("{name}.{}", groups.join(" or ")),
            KindPattern::Group(group) => format!("*.{group}"),
            other => format!("{other:?}"),
        })
        .collect()
    }
}
