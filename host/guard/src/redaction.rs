//! Fields redacted for all callers, per kind.

use std::sync::Arc;

use porthole_cluster::{Masking, Redaction, ValueMasks};
use porthole_contract::Kind;

use crate::MaskedValues;

/// Redaction of answers, for all callers.
pub(super) struct Redactions {
    /// Masking of secrets in logs and event messages.
    pub(super) masking: Masking,
    /// Values of objects that the operator masks.
    pub(super) masked: Arc<MaskedValues>,
}

impl Redactions {
    /// Redaction and masks of the objects of a kind.
    pub(super) fn of(&self, kind: &Kind) -> (Redaction, ValueMasks) {
        (redaction(kind, self.masking), self.masked.of(kind))
    }
}

/// Selects the redaction of a kind: the values of Secrets; secrets in the messages of Events and Pods, if they are
/// masked; for other kinds only bookkeeping, whose last-applied copy may hold secrets.
fn redaction(kind: &Kind, masking: Masking) -> Redaction {
    let is_event = kind.plural == "events" && matches!(kind.group.as_str(), "" | "events.k8s.io");
    let is_pod = kind.plural == "pods" && kind.group.is_empty();
    if kind.group.is_empty() && (kind.plural == "secrets" || kind.kind == "Secret") {
        Redaction::SecretValues
    } else if masking == Masking::Mask && (is_event || is_pod) {
        Redaction::Messages
    } else {
        Redaction::Bookkeeping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, plural: &str) -> Kind {
        Kind {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            singular: String::new(),
            kind: String::new(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        }
    }

    #[test]
    fn messages_of_events_and_pods_are_masked_unless_it_is_off() {
        for (group, plural) in [("", "events"), ("events.k8s.io", "events"), ("", "pods")] {
            let kind = kind(group, plural);
            assert_eq!(redaction(&kind, Masking::Mask), Redaction::Messages, "{plural}.{group}");
            assert_eq!(redaction(&kind, Masking::Off), Redaction::Bookkeeping, "{plural}.{group}");
        }
        assert_eq!(redaction(&kind("example.com", "events"), Masking::Mask), Redaction::Bookkeeping);
    }

    #[test]
    fn only_core_secrets_lose_their_values() {
        assert_eq!(redaction(&kind("", "secrets"), Masking::Off), Redaction::SecretValues);
        let alias = Kind { kind: "Secret".into(), ..kind("", "others") };
        assert_eq!(redaction(&alias, Masking::Mask), Redaction::SecretValues);
        assert_eq!(redaction(&kind("", "configmaps"), Masking::Mask), Redaction::Bookkeeping);
        assert_eq!(redaction(&kind("example.com", "secrets"), Masking::Mask), Redaction::Bookkeeping);
    }
}
