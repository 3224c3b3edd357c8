//! Fields redacted for all callers, per kind.

use porthole_cluster::Withheld;
use porthole_contract::Kind;

/// Selects the redaction of a kind: the values of Secrets; for other kinds only bookkeeping, whose last-applied copy
/// may hold secrets.
pub(super) fn withheld(kind: &Kind) -> Withheld {
    if kind.group.is_empty() && (kind.plural == "secrets" || kind.kind == "Secret") {
        Withheld::SecretValues
    } else {
        Withheld::Bookkeeping
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
        assert_eq!(withheld(&kind("", "secrets")), Withheld::SecretValues);
        let alias = Kind { kind: "Secret".into(), ..kind("", "others") };
        assert_eq!(withheld(&alias), Withheld::SecretValues);
        assert_eq!(withheld(&kind("", "configmaps")), Withheld::Bookkeeping);
        assert_eq!(withheld(&kind("example.com", "secrets")), Withheld::Bookkeeping);
    }
}
