//! Values of objects that the operator masks for all callers (`redact.paths`, `redact.env`), by kind.

use porthole_cluster::ValueMasks;
use porthole_contract::{Echo, Kind};
use serde::Deserialize;

use crate::kind_pattern::{KindPattern, parse_entry};

/// Fields of an Event that its two groups call by other names, in the core group and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("reportingComponent", "reportingController"),
];

/// Treatment of environment variables whose names look like those of credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentMasking {
    /// Their values are masked, and credentials of a known form in the values of others.
    Mask,
    /// They are handed out.
    #[default]
    Off,
}

/// Masked fields of kinds, which are written as in `denied`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedPaths {
    /// Kinds whose objects have the fields.
    pub kinds: Vec<String>,
    /// Field paths, each with all below it.
    pub paths: Vec<String>,
}

/// Values that are masked in the objects of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaskedValues {
    rules: Vec<Rule>,
    environment: EnvironmentMasking,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    kinds: Vec<KindPattern>,
    paths: Vec<String>,
}

impl MaskedValues {
    /// Resolves the kinds and parses the paths.
    ///
    /// # Errors
    ///
    /// Names the first entry that is no kind, no path, or more than the paths of one object may be.
    pub fn parse(masked: Vec<MaskedPaths>, environment: EnvironmentMasking) -> Result<Self, String> {
        let rules = masked.into_iter().enumerate().map(|(number, MaskedPaths { kinds, paths })| {
            rule(kinds, paths).map_err(|mistake| format!("redact.paths[{number}].{mistake}"))
        });
        let mut rules = rules.collect::<Result<Vec<Rule>, String>>()?;
        let of_events: Vec<Rule> = rules.iter().filter_map(Rule::of_events).collect();
        rules.extend(of_events);
        // All of them may be of one kind, so all together are one projection at most.
        let all: Vec<String> = rules.iter().flat_map(|rule| rule.paths.clone()).collect();
        ValueMasks::new(&all, false).map_err(|failure| format!("redact.paths: {}", failure.message))?;
        Ok(Self { rules, environment })
    }

    /// Masks of the objects of a kind.
    pub(super) fn of(&self, kind: &Kind) -> ValueMasks {
        let rules = self.rules.iter().filter(|rule| rule.kinds.iter().any(|named| named.matches(kind)));
        let paths: Vec<String> = rules.flat_map(|rule| rule.paths.iter().cloned()).collect();
        let environment = self.environment == EnvironmentMasking::Mask;
        // The paths were parsed together at the start. If they ever are not taken, nothing is shown rather than everything.
        ValueMasks::new(&paths, environment).unwrap_or_else(|_| ValueMasks::all())
    }
}

impl Rule {
    /// The same fields of Events by the names of the other group. The attack: a mask of `message` is passed by reading
    /// `note`.
    fn of_events(&self) -> Option<Self> {
        let kinds: Vec<_> = self.kinds.iter().filter(|named| named.is_of_events()).cloned().collect();
        let paths: Vec<_> = self.paths.iter().filter_map(|path| in_other_group(path)).collect();
        (!kinds.is_empty() && !paths.is_empty()).then_some(Self { kinds, paths })
    }
}

/// A path of an Event as the other group writes it, if its first name is another there.
fn in_other_group(path: &str) -> Option<String> {
    let path = path.strip_prefix('.').unwrap_or(path);
    EVENT_FIELDS.iter().flat_map(|(core, other)| [(core, other), (other, core)]).find_map(|(name, other)| {
        let spellings = [(*name).to_owned(), format!("['{name}']"), format!("[\"{name}\"]")];
        let rest = spellings.iter().find_map(|name| path.strip_prefix(name.as_str()))?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then(|| format!("{other}{rest}"))
    })
}

fn rule(kinds: Vec<String>, paths: Vec<String>) -> Result<Rule, String> {
    if kinds.is_empty() || paths.is_empty() {
        return Err("kinds and paths each need an entry".to_owned());
    }
    let mut patterns = Vec::new();
    for name in &kinds {
        let named = parse_entry(name).map_err(|mistake| format!("kinds: {} {mistake}", Echo(name)))?;
        if named.iter().any(|pattern| matches!(pattern, KindPattern::Subresource(_))) {
            return Err(format!("kinds: {} has no fields", Echo(name)));
        }
        patterns.extend(named);
    }
    for path in &paths {
        ValueMasks::new(std::slice::from_ref(path), false)
            .map_err(|failure| format!("paths: {}", failure.message))?;
    }
    Ok(Rule { kinds: patterns, paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, plural: &str, kind: &str) -> Kind {
        Kind {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            singular: String::new(),
            kind: kind.into(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        }
    }

    fn masked(rules: &[(&[&str], &[&str])]) -> Result<MaskedValues, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let rules =
            rules.iter().map(|(kinds, paths)| MaskedPaths { kinds: owned(kinds), paths: owned(paths) });
        MaskedValues::parse(rules.collect(), EnvironmentMasking::Off)
    }

    #[test]
    fn a_kind_has_the_paths_of_every_rule_that_names_it() {
        let masked = masked(&[
            (&["cm", "databases.example.com"], &["data.password"]),
            (&["ConfigMap"], &["data.token"]),
            (&["*.example.com"], &["spec.pin"]),
        ])
        .unwrap();
        let paths = |paths: &[&str]| {
            ValueMasks::new(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(), false).unwrap()
        };
        for (kind, expected) in [
            (kind("", "configmaps", "ConfigMap"), &["data.password", "data.token"][..]),
            (kind("example.com", "databases", "Database"), &["data.password", "spec.pin"]),
            (kind("example.com", "others", "Other"), &["spec.pin"]),
            (kind("", "pods", "Pod"), &[]),
        ] {
            assert_eq!(masked.of(&kind), paths(expected), "{kind:?}");
        }
    }

    #[test]
    fn the_other_group_of_events_is_masked_by_its_own_names() {
        let (core, new) = (kind("", "events", "Event"), kind("events.k8s.io", "events", "Event"));
        for (kinds, path, other) in [
            ("events", "message", "note"),
            ("events.events.k8s.io", "note", "message"),
            ("ev", ".involvedObject.name", "regarding.name"),
            ("Event", "['regarding']['uid']", "involvedObject.uid"),
            ("events", "[\"source\"].host", "deprecatedSource.host"),
            ("events", "deprecatedCount", "count"),
            ("events", "firstTimestamp", "deprecatedFirstTimestamp"),
            ("events", "lastTimestamp", "deprecatedLastTimestamp"),
            ("events", "reportingController", "reportingComponent"),
            ("*.events.k8s.io", "message", "note"),
            ("*", "message", "note"),
            ("*", "note", "message"),
        ] {
            let masked = masked(&[(&[kinds, "configmaps"], &[path])]).unwrap();
            let both = ValueMasks::new(&[path.to_owned(), other.to_owned()], false).unwrap();
            assert_eq!(masked.of(&new), both, "{kinds}: {path}");
            assert_eq!(masked.of(&core), both, "{kinds}: {path}");
            // Only Events have two names for a field.
            let alone = ValueMasks::new(&[path.to_owned()], false).unwrap();
            assert_eq!(masked.of(&kind("", "configmaps", "ConfigMap")), alone, "{path}");
        }
        for path in ["messages", "spec.message", "type"] {
            let masked = masked(&[(&["events"], &[path])]).unwrap();
            assert_eq!(masked.of(&new), ValueMasks::new(&[path.to_owned()], false).unwrap(), "{path}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_entry() {
        let many: Vec<String> = (0..200).map(|n| format!("data.k{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (rules, hint) in [
            (
                &[(&["cm"][..], &["data.a"][..]), (&["confgmaps"], &["data.a"])][..],
                "redact.paths[1].kinds: \"confgmaps\"",
            ),
            (&[(&["pods/log"], &["data.a"])], "has no fields"),
            (&[(&["cm"], &["data["])], "redact.paths[0].paths: field path"),
            (&[(&["cm"], &["metadata.labels.app"])], "metadata.labels cannot be masked"),
            (&[(&["cm"], &[])], "redact.paths[0].kinds and paths"),
            (&[(&[], &["data"])], "kinds and paths"),
            (&[(&["cm"], many.as_slice())], "128 paths"),
        ] {
            let mistake = masked(rules).unwrap_err();
            assert!(mistake.contains(hint), "{hint}: {mistake}");
        }
    }
}
