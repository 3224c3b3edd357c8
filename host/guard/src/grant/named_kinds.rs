//! Kinds for which an approved `*` stands.

use std::collections::{BTreeMap, BTreeSet};

use porthole_contract::{Echo, ReadRule, Verb};

/// Maximum number of kinds; a cluster with 500 CRDs serves some 600.
const MAX_KINDS: usize = 4096;

/// Kinds that an approval names for a declared `*`: all others are closed, also those that are installed later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedKinds(BTreeMap<String, BTreeSet<String>>);

impl NamedKinds {
    /// Parses names as kubectl writes them: `pods`, `deployments.apps`, `certificates.cert-manager.io`.
    ///
    /// # Errors
    ///
    /// If one is not the plural of a kind, or there are more than 4,096.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, String> {
        let mut kinds = Self::default();
        for (number, name) in names.into_iter().enumerate() {
            if number == MAX_KINDS {
                return Err(format!("more than {MAX_KINDS} kinds"));
            }
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            let is_wide = |text: &str| text == "*" || text.contains('/');
            let rule = ReadRule::parse(vec![group.to_owned()], vec![plural.to_owned()], [Verb::Get]);
            if rule.is_err() || is_wide(plural) || is_wide(group) || name.ends_with('.') {
                return Err(format!("{} is not a kind; write it like pods, or deployments.apps", Echo(name)));
            }
            kinds.insert(group, plural);
        }
        Ok(kinds)
    }

    /// Kinds that discovery named, by group and plural. Those beyond 4,096 are left out, so they stay closed.
    pub(crate) fn of<'n>(discovered: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        let mut kinds = Self::default();
        discovered.into_iter().take(MAX_KINDS).for_each(|(group, plural)| kinds.insert(group, plural));
        kinds
    }

    /// The names, as they are parsed.
    pub fn names(&self) -> Vec<String> {
        let name = |group: &str, plural: &str| match group {
            "" => plural.to_owned(),
            group => format!("{plural}.{group}"),
        };
        self.0
            .iter()
            .flat_map(|(group, plurals)| plurals.iter().map(move |plural| name(group, plural)))
            .collect()
    }

    /// Number of kinds.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// Kinds of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (group, plurals) in &other.0 {
            plurals.iter().for_each(|plural| both.insert(group, plural));
        }
        both
    }

    /// True for a named kind, and for its subresources.
    pub(super) fn names_kind(&self, group: &str, resource: &str) -> bool {
        let plural = resource.split_once('/').map_or(resource, |(plural, _)| plural);
        self.0.get(group).is_some_and(|plurals| plurals.contains(plural))
    }

    fn insert(&mut self, group: &str, plural: &str) {
        self.0.entry(group.to_owned()).or_default().insert(plural.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_as_they_are_written_and_nothing_wide_is_one() {
        let names = ["nodes", "pods", "deployments.apps", "certificates.cert-manager.io"];
        let kinds = NamedKinds::parse(names).unwrap();
        let mut written = kinds.names();
        written.sort();
        assert_eq!(written, ["certificates.cert-manager.io", "deployments.apps", "nodes", "pods"]);
        assert_eq!(NamedKinds::parse(written.iter().map(String::as_str)), Ok(kinds));
        for wrong in
            ["", "*", "*.apps", "deployments.*", "pods/log", "pods.", ".apps", "Pods", "a b", "\u{1b}[2J"]
        {
            let error = NamedKinds::parse([wrong]).unwrap_err();
            assert!(error.contains("is not a kind") && !error.contains('\u{1b}'), "{wrong}: {error}");
        }
        let many: Vec<String> = (0..=MAX_KINDS).map(|number| format!("kind-{number}")).collect();
        assert!(NamedKinds::parse(many.iter().map(String::as_str)).is_err());
        assert_eq!(NamedKinds::parse(many[1..].iter().map(String::as_str)).unwrap().count(), MAX_KINDS);
    }

    #[test]
    fn the_union_has_the_kinds_of_either() {
        let kinds = |names: &[&str]| NamedKinds::parse(names.iter().copied()).unwrap();
        let both = kinds(&["pods", "jobs.batch"]).union(&kinds(&["pods", "leases.coordination.k8s.io"]));
        assert_eq!(both, kinds(&["pods", "jobs.batch", "leases.coordination.k8s.io"]));
    }
}
