//! Names of kinds in the configuration: `secrets`, `Deployment`, `deploy.apps`, `pods/log`, `certificates.cert-manager.io`,
//! or `*.rbac.authorization.k8s.io` for a whole group.
//!
//! They resolve as reads do, by plural, singular, kind or short name. At startup there may be no cluster to ask, so kinds
//! of Kubernetes come from a built-in list; kinds of custom groups are matched by all their names when they are read.

use porthole_cluster::{BUILT_IN, BuiltIn, SUBRESOURCES};
use porthole_contract::{Echo, Kind, is_subdomain, nearest};

/// Max edit distance to a built-in group that counts as a misspelling; above it the group is taken as custom.
const MAX_MISSPELLING: usize = 2;
/// Max names to suggest for an unknown entry.
const MAX_SUGGESTIONS: usize = 3;
const MIN_SIMILARITY: f64 = 0.75;

/// Groups that serve the same objects. Denying one without the other would leave the objects readable.
const TWINS: [(&str, &str, &str); 2] =
    [("events", "", "events.k8s.io"), ("ingresses", "networking.k8s.io", "extensions")];

/// A named kind, subresource or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KindPattern {
    Group(String),
    BuiltIn(&'static BuiltIn),
    /// A subresource of the core group: `pods/log`.
    Subresource(String),
    /// A kind of a custom group, by any of its names. More than one group if the entry is ambiguous: a group may begin
    /// like a version (`v1.example.com`).
    Custom {
        name: String,
        groups: Vec<String>,
    },
}

impl KindPattern {
    /// True for the named kind of Kubernetes or subresource; a kind is not its subresources.
    pub(super) fn is_exactly(&self, group: &str, resource: &str) -> bool {
        match self {
            Self::Group(all) => all == group,
            Self::BuiltIn(kind) => kind.group == group && kind.plural == resource,
            Self::Subresource(part) => group.is_empty() && part == resource,
            Self::Custom { .. } => false,
        }
    }

    /// True for a whole group.
    pub(super) fn is_group(&self) -> bool {
        matches!(self, Self::Group(_))
    }

    /// True for a pattern of Events alone, in either group; a whole group with Events has one beside its own.
    pub(super) fn is_of_events(&self) -> bool {
        matches!(self, Self::BuiltIn(kind) if kind.plural == "events")
    }

    /// True for the named kind.
    pub(super) fn matches(&self, kind: &Kind) -> bool {
        match self {
            // Any version: a denied kind is denied in each of them.
            Self::Group(group) => *group == kind.group,
            Self::BuiltIn(denied) => {
                denied.group == kind.group && (denied.plural == kind.plural || denied.kind == kind.kind)
            }
            // A subresource entry leaves the kind itself readable.
            Self::Subresource(_) => false,
            Self::Custom { name, groups } => groups.contains(&kind.group) && kind.has_name(name),
        }
    }
}

/// True for a group of Kubernetes itself.
pub(super) fn is_built_in(group: &str) -> bool {
    BUILT_IN.iter().any(|kind| kind.group == group)
}

/// Resolves an entry. The error text continues after the entry's name.
pub(super) fn parse_entry(entry: &str) -> Result<Vec<KindPattern>, String> {
    let (whole, part) = match entry.split_once('/') {
        Some((whole, part)) => (whole, Some(part)),
        None => (entry, None),
    };
    let (name, group) = match whole.split_once('.') {
        Some((name, group)) => (name, Some(group.to_lowercase())),
        None => (whole, None),
    };
    if !(name == "*" || is_name(name)) || group.as_deref().is_some_and(|group| !is_subdomain(group)) {
        return Err(
            "is not a resource; write it like secrets, pods/log, deployments.apps or *.rbac.authorization.k8s.io"
                .to_owned(),
        );
    }
    if name == "*" {
        if part.is_some() {
            return Err("closes a part of nothing; name the kind, like pods/log".to_owned());
        }
        let group = group.unwrap_or_default();
        // A misspelt group would deny nothing, silently.
        check_group(&group)?;
        let shared = BUILT_IN.iter().filter(|kind| kind.group == group).flat_map(with_twin);
        let shared: Vec<KindPattern> = shared.map(KindPattern::BuiltIn).collect();
        return Ok([vec![KindPattern::Group(group)], shared].concat());
    }
    let denied = match group {
        None => resolve_built_in(name, None)?,
        Some(group) => resolve_qualified(name, &group)?,
    };
    match part {
        None => Ok(denied),
        Some(part) if SUBRESOURCES.contains(&part) => Ok(denied
            .iter()
            .filter_map(|denied| match denied {
                KindPattern::BuiltIn(kind) => {
                    Some(KindPattern::Subresource(format!("{}/{part}", kind.plural)))
                }
                // Tools cannot read subresources of custom kinds.
                _ => None,
            })
            .collect()),
        Some(part) => Err(format!("has no part {}{}", Echo(part), hint(part, SUBRESOURCES.into_iter()))),
    }
}

/// Resolves a name with a group, with a version and a group (`deployments.v1.apps`, which denies all versions), or with
/// a version of the core group (`pods.v1`).
fn resolve_qualified(name: &str, group: &str) -> Result<Vec<KindPattern>, String> {
    let (version, rest) = group.split_once('.').unwrap_or((group, ""));
    if is_version(version) && is_built_in(rest) {
        return resolve_built_in(name, Some(rest));
    }
    if is_built_in(group) {
        return resolve_built_in(name, Some(group));
    }
    // Ambiguous: `v1.example.com` may be a group, or version v1 of `example.com`. Deny in both.
    let mut groups = vec![group.to_owned()];
    if is_version(version) && !rest.is_empty() {
        check_group(rest)?;
        groups.push(rest.to_owned());
    } else {
        check_group(group)?;
    }
    Ok(vec![KindPattern::Custom { name: name.to_owned(), groups }])
}

/// Resolves a kind of Kubernetes by any of its names: the first match, as reads resolve it, and its twin.
fn resolve_built_in(name: &str, group: Option<&str>) -> Result<Vec<KindPattern>, String> {
    let mut inside = BUILT_IN.iter().filter(|kind| group.is_none_or(|group| kind.group == group));
    let Some(kind) = inside.find(|kind| kind.has_name(name)) else {
        let place = group.map_or_else(
            || {
                "of Kubernetes. One of your own has its group behind it, like certificates.cert-manager.io"
                    .to_owned()
            },
            |group| format!("in group {}", Echo(group)),
        );
        let names: Vec<String> = BUILT_IN
            .iter()
            .filter(|kind| group.is_none_or(|group| kind.group == group))
            .flat_map(|kind| [kind.plural.to_owned(), kind.kind.to_lowercase()])
            .collect();
        return Err(format!(
            "names no kind {place}{}",
            hint(&name.to_lowercase(), names.iter().map(String::as_str))
        ));
    };
    // The same objects are also served by the twin group, so both are denied.
    let mut named = with_twin(kind);
    if named.is_empty() {
        named.push(kind);
    }
    Ok(named.into_iter().map(KindPattern::BuiltIn).collect())
}

/// A kind that a second group serves, and the kind of that group; empty for all others. The attack: of a group that is
/// closed or masked as a whole, Events are read by their other group.
fn with_twin(kind: &'static BuiltIn) -> Vec<&'static BuiltIn> {
    let twin = |(plural, one, other): &(&str, &'static str, &'static str)| match kind.group {
        group if *plural == kind.plural && group == *one => Some(*other),
        group if *plural == kind.plural && group == *other => Some(*one),
        _ => None,
    };
    let Some(twin) = TWINS.iter().find_map(twin) else { return Vec::new() };
    let twin = BUILT_IN.iter().find(|other| other.plural == kind.plural && other.group == twin);
    [Some(kind), twin].into_iter().flatten().collect()
}

/// Rejects an impossible group: neither of Kubernetes nor with the dot of a custom one, or a likely misspelling.
fn check_group(group: &str) -> Result<(), String> {
    if is_built_in(group) {
        return Ok(());
    }
    let misspelt = BUILT_IN.iter().find(|kind| strsim::osa_distance(kind.group, group) <= MAX_MISSPELLING);
    match misspelt.filter(|kind| !kind.group.is_empty()) {
        Some(kind) => Err(format!("names no group; the nearest: {}", kind.group)),
        None if group.contains('.') => Ok(()),
        None => {
            let groups = BUILT_IN.iter().map(|kind| kind.group);
            Err(format!("names no group{}", hint(group, groups)))
        }
    }
}

fn hint<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut near = nearest(name, names, MIN_SIMILARITY, MAX_SUGGESTIONS);
    near.dedup();
    if near.is_empty() { String::new() } else { format!("; the nearest: {}", near.join(", ")) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// True for `v1` or `v2beta1`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v').is_some_and(|rest| {
        ["alpha", "beta"]
            .iter()
            .find_map(|stage| rest.split_once(stage))
            .map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
    })
}
