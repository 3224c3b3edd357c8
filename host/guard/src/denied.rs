//! What the operator has closed for every tool, whoever asks: kinds that no answer may be about.
//!
//! Names are resolved as reading resolves them, by plural, singular, kind or short name: `secret` closes what `secrets`
//! reads. At the start there may be no cluster to ask, so kinds of Kubernetes are known here; those of a custom group
//! are matched by all their names when they are read.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Once};

use porthole_cluster::{BUILT_IN, BuiltIn, PARTS};
use porthole_contract::{Echo, Failure, Kind, Reason, is_subdomain, nearest};

/// Edits that make one group of another: more, and it is a group of its own.
const MISSPELT: usize = 2;
/// Names offered instead of one that is nothing, and how alike they must be.
const NEAREST: usize = 3;
const ALIKE: f64 = 0.75;

/// Groups that serve the same objects. Closing one and not the other would close nothing.
const TWINS: [(&str, &str, &str); 2] =
    [("events", "", "events.k8s.io"), ("ingresses", "networking.k8s.io", "extensions")];

/// Closed kinds, as `secrets`, `Deployment`, `deploy.apps`, `pods/log`, `certificates.cert-manager.io`, or
/// `*.rbac.authorization.k8s.io` for a whole group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denied(Vec<Closed>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Closed {
    Group(String),
    BuiltIn(&'static BuiltIn),
    /// A part of a kind of the core group: `pods/log`.
    Part(String),
    /// A kind of a custom group, by any of its names. A group may begin like a version (`v1.example.com`).
    Custom {
        name: String,
        groups: Vec<String>,
    },
}

impl Denied {
    /// Resolves the names; an error says which one names nothing.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let mut closed = Vec::new();
        for name in names {
            closed.extend(resolved(name).map_err(|mistake| format!("denied: {} {mistake}", Echo(name)))?);
        }
        Ok(Self(closed))
    }

    /// Refuses a kind that is closed.
    pub(super) fn check(&self, kind: &Kind) -> Result<(), Failure> {
        let closes = |closed: &Closed| closed.closes(kind);
        self.refuse(closes, &format!("{}/{}, Kind={}", kind.group, kind.version, kind.kind))
    }

    /// Refuses a kind of Kubernetes or a part of one, for example `pods/log`; closing the kind closes its parts.
    pub(super) fn check_built_in(&self, group: &str, resource: &str) -> Result<(), Failure> {
        let plural = resource.split('/').next().unwrap_or(resource);
        let closes = |closed: &Closed| match closed {
            Closed::Group(all) => all == group,
            Closed::BuiltIn(kind) => kind.group == group && kind.plural == plural,
            Closed::Part(part) => group.is_empty() && part == resource,
            Closed::Custom { .. } => false,
        };
        self.refuse(closes, resource)
    }

    fn refuse(&self, closes: impl Fn(&Closed) -> bool, named: &str) -> Result<(), Failure> {
        if !self.0.iter().any(closes) {
            return Ok(());
        }
        Err(Failure::new(
            Reason::NotGranted,
            format!(
                "resource not allowed: {named}. The operator of Porthole has closed it for every tool (`denied`)."
            ),
        ))
    }

    /// Warns, once, of entries in custom groups that close nothing of what the cluster serves.
    pub(super) fn compare(&self, kinds: impl FnOnce() -> Option<Vec<Arc<Kind>>>) {
        static ONCE: Once = Once::new();
        if ONCE.is_completed() {
            return;
        }
        let Some(kinds) = kinds() else { return };
        ONCE.call_once(|| {
            for idle in self.idle(&kinds) {
                tracing::warn!("denied: {idle} closes nothing: the cluster serves no such kind");
            }
        });
    }

    /// Entries in custom groups that close none of these kinds.
    fn idle(&self, kinds: &[Arc<Kind>]) -> Vec<String> {
        let custom = |closed: &&Closed| match closed {
            Closed::Custom { .. } => true,
            Closed::Group(group) => !is_built_in(group),
            Closed::BuiltIn(_) | Closed::Part(_) => false,
        };
        let idle =
            self.0.iter().filter(custom).filter(|closed| !kinds.iter().any(|kind| closed.closes(kind)));
        idle.map(|closed| match closed {
            Closed::Custom { name, groups } => format!("{name}.{}", groups.join(" or ")),
            Closed::Group(group) => format!("*.{group}"),
            other => format!("{other:?}"),
        })
        .collect()
    }
}

impl Closed {
    fn closes(&self, kind: &Kind) -> bool {
        match self {
            Self::Group(group) => *group == kind.group,
            Self::BuiltIn(closed) => {
                closed.group == kind.group && (closed.plural == kind.plural || closed.kind == kind.kind)
            }
            Self::Part(_) => false,
            Self::Custom { name, groups } => groups.contains(&kind.group) && kind.is_called(name),
        }
    }
}

fn is_built_in(group: &str) -> bool {
    BUILT_IN.iter().any(|kind| kind.group == group)
}

/// What a name closes; the error goes on after the name.
fn resolved(entry: &str) -> Result<Vec<Closed>, String> {
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
        known_group(&group)?;
        return Ok(vec![Closed::Group(group)]);
    }
    let closed = match group {
        None => built_in(name, None)?,
        Some(group) => qualified(name, &group)?,
    };
    match part {
        None => Ok(closed),
        Some(part) if PARTS.contains(&part) => Ok(closed
            .iter()
            .filter_map(|closed| match closed {
                Closed::BuiltIn(kind) => Some(Closed::Part(format!("{}/{part}", kind.plural))),
                // Tools read no parts of other kinds.
                _ => None,
            })
            .collect()),
        Some(part) => Err(format!("has no part {}{}", Echo(part), hint(part, PARTS.into_iter()))),
    }
}

/// A kind in a group, in a version of one (`deployments.v1.apps`, all of whose versions are closed), or `pods.v1`.
fn qualified(name: &str, group: &str) -> Result<Vec<Closed>, String> {
    let (version, rest) = group.split_once('.').unwrap_or((group, ""));
    if is_version(version) && is_built_in(rest) {
        return built_in(name, Some(rest));
    }
    if is_built_in(group) {
        return built_in(name, Some(group));
    }
    let mut groups = vec![group.to_owned()];
    if is_version(version) && !rest.is_empty() {
        known_group(rest)?;
        groups.push(rest.to_owned());
    } else {
        known_group(group)?;
    }
    Ok(vec![Closed::Custom { name: name.to_owned(), groups }])
}

/// A kind of Kubernetes by any of its names: the first of that name, as reading finds it, and its twin.
fn built_in(name: &str, group: Option<&str>) -> Result<Vec<Closed>, String> {
    let mut inside = BUILT_IN.iter().filter(|kind| group.is_none_or(|group| kind.group == group));
    let Some(kind) = inside.find(|kind| kind.is_called(name)) else {
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
    let twin = |(plural, one, other): &(&str, &'static str, &'static str)| match kind.group {
        group if *plural == kind.plural && group == *one => Some(*other),
        group if *plural == kind.plural && group == *other => Some(*one),
        _ => None,
    };
    let twin = TWINS.iter().find_map(twin);
    let twin = BUILT_IN.iter().find(|other| other.plural == kind.plural && Some(other.group) == twin);
    Ok([Some(kind), twin].into_iter().flatten().map(Closed::BuiltIn).collect())
}

/// Refuses a group that can be none: not of Kubernetes, and without the dot of a custom one, or a misspelt one.
fn known_group(group: &str) -> Result<(), String> {
    if is_built_in(group) {
        return Ok(());
    }
    let misspelt = BUILT_IN.iter().find(|kind| strsim::osa_distance(kind.group, group) <= MISSPELT);
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
    let mut near = nearest(name, names, ALIKE, NEAREST);
    near.dedup();
    if near.is_empty() { String::new() } else { format!("; the nearest: {}", near.join(", ")) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `v1`, `v2beta1`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v').is_some_and(|rest| {
        ["alpha", "beta"]
            .iter()
            .find_map(|stage| rest.split_once(stage))
            .map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
    })
}
