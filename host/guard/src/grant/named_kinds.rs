//! Kinds for which an approved `*` stands.

use std::collections::{BTreeMap, BTreeSet};

use porthole_contract::{Echo, Kind, ReadRule, Verb};

/// Maximum number of kinds; a cluster with 500 CRDs serves some 600.
const MAX_KINDS: usize = 4096;
/// Bytes of all names: a line of the audit log holds them, and 256 of those may wait for its disk.
const MAX_BYTES: usize = 128 << 10;

/// Kinds that an approval names for a declared `*`: all others are closed, also those that are installed later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedKinds(BTreeMap<String, BTreeSet<String>>);

impl NamedKinds {
    /// Parses names as kubectl writes them: `pods`, `deployments.apps`, `certificates.cert-manager.io`.
    ///
    /// # Errors
    ///
    /// If one is not the plural of a kind, there is none, or they are too many.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, String> {
        let mut kinds = Self::default();
        for name in names {
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            let is_wide = |text: &str| text == "*" || text.contains('/');
            let rule = ReadRule::parse(vec![group.to_owned()], vec![plural.to_owned()], [Verb::Get]);
            if rule.is_err() || is_wide(plural) || is_wide(group) || name.ends_with('.') {
                return Err(format!("{} is not a kind; write it like pods, or deployments.apps", Echo(name)));
            }
            kinds.insert(group, plural);
        }
        kinds.bounded()
    }

    /// Kinds of a discovery that can be read, in whatever versions.
    ///
    /// # Errors
    ///
    /// If there is none, or they are too many.
    pub(crate) fn of<'k>(discovered: impl IntoIterator<Item = &'k Kind>) -> Result<Self, String> {
        let mut kinds = Self::default();
        let is_readable = |kind: &&Kind| kind.verbs.iter().any(|verb| Verb::parse(verb).is_some());
        discovered.into_iter().filter(is_readable).for_each(|kind| kinds.insert(&kind.group, &kind.plural));
        kinds.bounded()
    }

    fn bounded(self) -> Result<Self, String> {
        let bytes: usize = self.names().iter().map(String::len).sum();
        match self.count() {
            0 => Err("no kind is named, which would close all of them".to_owned()),
            count if count > MAX_KINDS => {
                Err(format!("{count} kinds; an approval names at most {MAX_KINDS}"))
            }
            count if bytes > MAX_BYTES => Err(format!(
                "{count} kinds with names of {bytes} bytes; an approval names at most {MAX_BYTES} bytes, since a line of the audit log holds them"
            )),
            _ => Ok(self),
        }
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

    /// Names of the kinds that `other` does not have.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let known: BTreeSet<String> = other.names().into_iter().collect();
        self.names().into_iter().filter(|name| !known.contains(name)).collect()
    }

    /// Kinds of either.
    #[must_use]
    pub(super) fn union(&self, other: &Self) -> Self {
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
    }

    #[test]
    fn a_list_of_kinds_has_one_at_least_and_a_bound() {
        let parse = |names: &[String]| NamedKinds::parse(names.iter().map(String::as_str));
        let many: Vec<String> = (0..=MAX_KINDS).map(|number| format!("kind-{number}")).collect();
        assert!(parse(&many).unwrap_err().contains("at most 4096"));
        assert_eq!(
            parse(&[&many[1..], &many[1..]].concat()).unwrap().count(),
            MAX_KINDS,
            "one in each version"
        );
        let long: Vec<String> = (0..600)
            .map(|number| format!("{number}.{}", "a".repeat(63)) + ".example.com" + &".b".repeat(80))
            .collect();
        assert!(parse(&long).unwrap_err().contains("audit log"));
        assert!(parse(&[]).unwrap_err().contains("no kind"));
    }

    #[test]
    fn kinds_of_a_discovery_are_those_that_can_be_read() {
        let kind = |plural: &str, version: &str, verb: &str| Kind {
            group: "example.com".to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: String::new(),
            kind: "Kind".to_owned(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: vec!["create".to_owned(), verb.to_owned()],
        };
        let discovered = [
            kind("a", "v1", "get"),
            kind("a", "v2", "get"),
            kind("b", "v1", "list"),
            kind("c", "v1", "watch"),
        ];
        assert_eq!(NamedKinds::of(&discovered).unwrap().names(), ["a.example.com", "b.example.com"]);
        assert!(NamedKinds::of(&discovered[3..]).unwrap_err().contains("no kind"));
        let many: Vec<Kind> =
            (0..=MAX_KINDS).map(|number| kind(&format!("k{number}"), "v1", "get")).collect();
        assert!(NamedKinds::of(&many).unwrap_err().contains("at most 4096"), "none is left out");
    }

    #[test]
    fn the_union_has_the_kinds_of_either() {
        let kinds = |names: &[&str]| NamedKinds::parse(names.iter().copied()).unwrap();
        let (some, others) = (kinds(&["pods", "jobs.batch"]), kinds(&["pods", "leases.coordination.k8s.io"]));
        assert_eq!(some.union(&others), kinds(&["pods", "jobs.batch", "leases.coordination.k8s.io"]));
        assert_eq!((some.beyond(&others), some.beyond(&some)), (vec!["jobs.batch".to_owned()], vec![]));
    }
}
