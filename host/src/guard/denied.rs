//! What the operator has closed for every tool, whoever asks: kinds that no answer may be about.

use crate::kube::{Failure, Kind, Reason};

/// Closed resources, as `pods.metrics.k8s.io`, `secrets`, `pods/log`, or `*.rbac.authorization.k8s.io` for a whole group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Denied(Vec<Resource>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    /// `*`: all of the group.
    plural: String,
    group: String,
}

impl Denied {
    /// Reads the names; an error says which is none.
    pub(crate) fn parse(names: &[String]) -> Result<Self, String> {
        let parsed = names.iter().map(|name| {
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            let plain = |text: &str| {
                text.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'/')
                })
            };
            if plural.is_empty() || !(plural == "*" || plain(plural)) || !plain(group) {
                return Err(format!(
                    "denied: {name:?} is not a resource; write it like secrets, pods/log, deployments.apps or *.rbac.authorization.k8s.io"
                ));
            }
            Ok(Resource { plural: plural.to_owned(), group: group.to_owned() })
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// Refuses a kind that is closed.
    pub(super) fn check(&self, kind: &Kind) -> Result<(), Failure> {
        let named = format!("{}/{}, Kind={}", kind.group, kind.version, kind.kind);
        self.refuse(&kind.group, &kind.plural, &named)
    }

    /// Refuses a part of a core kind, for example `pods/log`; closing the kind closes its parts.
    pub(super) fn check_part(&self, resource: &str) -> Result<(), Failure> {
        let kind = resource.split('/').next().unwrap_or(resource);
        self.refuse("", resource, resource).and_then(|()| self.refuse("", kind, resource))
    }

    fn refuse(&self, group: &str, plural: &str, named: &str) -> Result<(), Failure> {
        let closed =
            |denied: &Resource| denied.group == group && (denied.plural == plural || denied.plural == "*");
        if !self.0.iter().any(closed) {
            return Ok(());
        }
        Err(Failure::new(
            Reason::NotGranted,
            format!(
                "resource not allowed: {named}. The operator of Porthole has closed it for every tool (`denied`)."
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_is_refused_by_its_name() {
        let names = ["secrets", "*.rbac.authorization.k8s.io", "pods/log"].map(str::to_owned);
        let denied = Denied::parse(&names).unwrap();
        let kind = |group: &str, plural: &str, kind: &str| Kind {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            singular: String::new(),
            kind: kind.into(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        };
        let refused = denied.check(&kind("", "secrets", "Secret")).unwrap_err();
        assert!(refused.message.starts_with("resource not allowed: /v1, Kind=Secret."), "{refused}");
        let refused = denied.check(&kind("rbac.authorization.k8s.io", "roles", "Role")).unwrap_err();
        assert!(refused.message.contains("rbac.authorization.k8s.io/v1, Kind=Role"), "{refused}");
        assert!(denied.check(&kind("", "pods", "Pod")).is_ok());
        assert!(denied.check_part("pods/log").is_err() && denied.check_part("nodes/proxy").is_ok());
        let pods = Denied::parse(&["pods".to_owned()]).unwrap();
        assert!(
            pods.check_part("pods/log").is_err()
                && pods.check(&kind("metrics.k8s.io", "pods", "PodMetrics")).is_ok()
        );
        for wrong in ["", "Secret", ".apps", "a b"] {
            assert!(Denied::parse(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
    }
}
