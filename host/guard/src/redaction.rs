//! Fields redacted for all callers, per kind.

use porthole_cluster::Redaction;
use porthole_contract::Kind;

/// Selects the redaction of a kind: the values of Secrets; for other kinds only bookkeeping, whose last-applied copy
/// may hold secrets.
pub(super) fn redaction(kind: &Kind) -> Redaction {
    if kind.group.is_empty() && (kind.plural == "secrets" || kind.kind == "Secret") {
        Redaction::SecretValues
    } else {
        Redaction::Bookkeeping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_core_secrets_lose_their_values() {
        let kind = |group: &str, plural: &str| Kind {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            singular: String::new(),
            kind: String::new(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        };
        assert_eq!(redaction(&kind("", "secrets")), Redaction::SecretValues);
        let alias = Kind { kind: "Secret".into(), ..kind("", "others") };
        assert_eq!(redaction(&alias), Redaction::SecretValues);
        assert_eq!(redaction(&kind("", "configmaps")), Redaction::Bookkeeping);
        assert_eq!(redaction(&kind("example.com", "secrets")), Redaction::Bookkeeping);
    }
}
