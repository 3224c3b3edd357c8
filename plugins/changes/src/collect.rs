//! The reads of an answer. Writes come first: they name the few namespaces of which the templates are read.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use porthole_diagnosis::{Kind, Object, needs};
use serde_json::Value;

use crate::{
    fields::{EVENT, NAMES, NODE, POD, REVISION, WORKLOAD},
    reach::within_reach,
    source::{List, PodRow, Read, Release, Source, Unread, Write},
    window::{Window, parse, rfc3339},
};

/// Namespaces of which workloads and their templates are read, those with the newest writes first.
const PLACES: usize = 8;
/// Objects of one list. Templates are large, so that of several namespaces fewer are read than of one.
const OBJECTS: u32 = 2000;
const OBJECTS_OF_EACH: u32 = 500;
/// Pods that are read, of those that restarted.
const PODS: usize = 24;
/// Helm releases of which all revisions are read.
const RELEASES: usize = 6;

const WORKLOADS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
/// Other kinds of which writes are told.
const WRITTEN: [Kind; 8] = [
    Kind::ConfigMap,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::NetworkPolicy,
    Kind::HorizontalPodAutoscaler,
    Kind::Service,
    Kind::Ingress,
    Kind::Node,
];

/// Part of the selector of events that are in another namespace than what was asked about.
const OF_NODES: &str = "kind=Node";
/// Events that say that something changed. The API server selects them: of a cluster's events they are a small part.
const EVENTS: [&str; 4] = [
    "type=Warning",
    "reason=ScalingReplicaSet",
    "reason=SuccessfulRescale",
    "type=Normal,involvedObject.kind=Node",
];

/// Reason of a gap that the rights of the caller make.
pub(crate) const FORBIDDEN: &str = "forbidden";

/// A question, parsed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) namespace: Option<String>,
    /// In lower case.
    pub(crate) name: Option<String>,
}

/// A read that was not made, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// All that was read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) workloads: Vec<Object>,
    /// ReplicaSets and ControllerRevisions.
    pub(crate) revisions: Vec<Value>,
    pub(crate) pods: Vec<Object>,
    pub(crate) nodes: Vec<Object>,
    pub(crate) events: Vec<Object>,
    pub(crate) writes: Vec<(Kind, Write)>,
    /// All revisions of the releases that changed.
    pub(crate) releases: Vec<Release>,
    pub(crate) gaps: BTreeSet<Gap>,
    /// A sentence, if the namespace does not exist.
    pub(crate) no_namespace: Option<String>,
}

impl Seen {
    fn add_gap(&mut self, what: impl Into<String>, unread: Option<Unread>) {
        match unread {
            Some(Unread::Failed(why)) => drop(self.gaps.insert(Gap { what: what.into(), why })),
            Some(Unread::Forbidden) => {
                self.gaps.insert(Gap { what: what.into(), why: FORBIDDEN.to_owned() });
            }
            Some(Unread::NoNamespace(message)) => self.no_namespace = Some(message),
            Some(Unread::Unsupported) | None => {}
        }
    }

    /// The items of a read; a gap if there are more.
    fn take<T>(&mut self, what: &str, (items, unread): Read<T>) -> Vec<T> {
        self.add_gap(what, unread);
        items
    }

    /// Names of the workloads that use a ConfigMap.
    pub(crate) fn users_of(&self, namespace: &str, config_map: &str) -> Vec<String> {
        let uses = |workload: &&Object| {
            workload.namespace() == namespace
                && needs::needs(workload)
                    .iter()
                    .any(|need| need.object.kind == Kind::ConfigMap && need.object.name == config_map)
        };
        self.workloads.iter().filter(uses).map(|workload| workload.name().to_owned()).collect()
    }

    /// Namespaces of the workloads whose names contain a text.
    pub(crate) fn places_of(&self, name: &str) -> BTreeSet<&str> {
        let fits = |workload: &&Object| workload.name().to_lowercase().contains(name);
        self.workloads.iter().filter(fits).map(Object::namespace).collect()
    }
}

/// Reads what an answer needs.
pub(crate) fn collect(asked: &Asked, window: Window, source: &mut impl Source) -> Seen {
    let mut seen = Seen::default();
    writes(&WORKLOADS, asked, window, source, &mut seen);
    if seen.no_namespace.is_some() {
        return seen;
    }
    let places = places(asked, source, &mut seen);
    objects(&places, asked, source, &mut seen);
    pods(asked, window, source, &mut seen);
    writes(&WRITTEN, asked, window, source, &mut seen);
    releases(asked, window, source, &mut seen);
    seen
}

/// The writes to the objects of some kinds.
fn writes(kinds: &[Kind], asked: &Asked, window: Window, source: &mut impl Source, seen: &mut Seen) {
    let since = rfc3339(window.since);
    for kind in kinds {
        let namespace = asked.namespace.as_deref().filter(|_| kind.is_namespaced());
        let of_kind = |source: &mut _, namespace: Option<&str>| {
            Source::writes(source, kind.resource(), namespace, &since)
        };
        let read = match kind.is_namespaced() {
            true => within_reach(source, namespace, of_kind),
            false => of_kind(source, None),
        };
        let told = seen.take(&format!("writes to {}", kind.plural()), read);
        // What controllers write into a status is told by what they write about.
        let is_told = |write: &Write| {
            write.subresource != "status" && parse(&write.time).is_some_and(|time| window.has(time))
        };
        seen.writes.extend(told.into_iter().filter(is_told).map(|write| (*kind, write)));
    }
}

/// The namespaces of which the workloads are read.
fn places(asked: &Asked, source: &mut impl Source, seen: &mut Seen) -> Vec<String> {
    if let Some(namespace) = &asked.namespace {
        return vec![namespace.clone()];
    }
    // The newest write of each namespace.
    let mut newest: BTreeMap<String, &str> = BTreeMap::new();
    let is_asked = |name: &str| asked.name.as_ref().is_none_or(|part| name.to_lowercase().contains(part));
    for (_, write) in seen.writes.iter().filter(|(_, write)| is_asked(&write.name)) {
        let time = newest.entry(write.namespace.clone()).or_default();
        *time = (*time).max(&write.time);
    }
    let mut places: Vec<(Reverse<&str>, String)> =
        newest.into_iter().map(|(place, time)| (Reverse(time), place)).collect();
    places.sort();
    let mut places: Vec<String> = places.into_iter().map(|(_, place)| place).collect();
    if asked.name.is_some() {
        // A workload that was not written may use a ConfigMap that was.
        let lists = WORKLOADS.map(|kind| list(kind.resource(), None, None, NAMES));
        for (kind, read) in WORKLOADS.iter().zip(source.lists(&lists)) {
            for workload in seen.take(kind.plural(), read) {
                let workload = Object::new(*kind, workload);
                let place = workload.namespace();
                if is_asked(workload.name()) && !places.iter().any(|known| known == place) {
                    places.push(place.to_owned());
                }
            }
        }
    }
    let more = places.len().saturating_sub(PLACES);
    if more > 0 {
        let why = Unread::Failed("ask for one of them".to_owned());
        seen.add_gap(format!("rollouts in {more} more namespaces, such as {}", first(&places)), Some(why));
    }
    places.truncate(PLACES);
    places
}

/// Names of a few of the namespaces that are not read.
fn first(places: &[String]) -> String {
    places.get(PLACES..).unwrap_or_default().iter().take(3).cloned().collect::<Vec<_>>().join(", ")
}

fn list(
    resource: &'static str,
    namespace: Option<&str>,
    selector: Option<String>,
    fields: &'static [&'static str],
) -> List {
    List { resource, namespace: namespace.map(str::to_owned), field_selector: selector, fields, max: OBJECTS }
}

/// Workloads with their revisions, nodes and events.
fn objects(places: &[String], asked: &Asked, source: &mut impl Source, seen: &mut Seen) {
    const REVISIONS: [&str; 2] = ["replicasets.apps", "controllerrevisions.apps"];
    let mut lists = vec![list(Kind::Node.resource(), None, None, NODE)];
    for selector in EVENTS {
        // Events of nodes are in the namespace default.
        let namespace = asked.namespace.as_deref().filter(|_| !selector.contains(OF_NODES));
        lists.push(list("events", namespace, Some(selector.to_owned()), EVENT));
    }
    let max = if places.len() > 1 { OBJECTS_OF_EACH } else { OBJECTS };
    for place in places {
        let workloads = WORKLOADS.map(|kind| list(kind.resource(), Some(place), None, WORKLOAD));
        let revisions = REVISIONS.map(|resource| list(resource, Some(place), None, REVISION));
        lists.extend(workloads.into_iter().chain(revisions).map(|list| List { max, ..list }));
    }
    for (list, read) in lists.iter().zip(source.lists(&lists)) {
        let is_of_nodes = list.field_selector.as_deref().is_some_and(|selector| selector.contains(OF_NODES));
        let plural = list.resource.split('.').next().unwrap_or_default();
        let items = seen.take(if is_of_nodes { "events of nodes" } else { plural }, read);
        match list.resource {
            "events" => seen.events.extend(items.into_iter().map(|event| Object::new(Kind::Event, event))),
            "nodes" => seen.nodes.extend(items.into_iter().map(|node| Object::new(Kind::Node, node))),
            resource if REVISIONS.contains(&resource) => seen.revisions.extend(items),
            resource => {
                if let Some(kind) = Kind::parse(resource) {
                    seen.workloads.extend(items.into_iter().map(|workload| Object::new(kind, workload)));
                }
            }
        }
    }
}

/// The pods that restarted or were evicted.
fn pods(asked: &Asked, window: Window, source: &mut impl Source, seen: &mut Seen) {
    let read = source.pods(asked.namespace.as_deref());
    let rows = seen.take("pods", read);
    let is_asked =
        |row: &&PodRow| asked.name.as_ref().is_none_or(|part| row.name.to_lowercase().contains(part));
    let mut found: Vec<(u64, &PodRow)> = rows
        .iter()
        .filter(is_asked)
        .filter_map(|row| Some((since_restart(row)?, row)))
        .filter(|(age, _)| *age <= window.length())
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.name.cmp(&b.1.name)));
    // The first of each workload before the second of any.
    let mut ranks: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, &PodRow)> = found
        .into_iter()
        .map(|(_, row)| {
            let rank = ranks.entry(stem(&row.name)).or_default();
            *rank += 1;
            (*rank, row)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let more = ranked.len().saturating_sub(PODS);
    if more > 0 {
        let why = Unread::Failed("only the newest of each workload are read".to_owned());
        seen.add_gap(format!("{more} more pods that restarted"), Some(why));
    }
    let lists: Vec<List> = ranked
        .iter()
        .take(PODS)
        .map(|(_, row)| {
            let selector = Some(format!("metadata.name={}", row.name));
            // Of a caller who may not read all namespaces each list of all would be refused, and made again in some.
            list("pods", row.namespace.as_deref().or(asked.namespace.as_deref()), selector, POD)
        })
        .collect();
    if lists.is_empty() {
        return;
    }
    for read in source.lists(&lists) {
        let pods = seen.take("pods that restarted", read);
        seen.pods.extend(pods.into_iter().map(|pod| Object::new(Kind::Pod, pod)));
    }
}

/// Seconds since the last restart of a pod; 0 for one that was evicted, whose time only the pod itself tells.
fn since_restart(row: &PodRow) -> Option<u64> {
    if row.status == "Evicted" {
        return Some(0);
    }
    let (_, age) = row.restarts.split_once('(')?;
    let age = age.trim_end_matches(')').trim_end_matches(" ago");
    humantime::parse_duration(age).ok().map(|age| age.as_secs())
}

/// The name of a pod without what its workload adds: `web` of `web-6d4f9c7b8d-k8pq2`.
pub(crate) fn stem(pod: &str) -> &str {
    // Kubernetes makes random names of these, so that they are no words.
    let is_random = |text: &str| text.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = |text: &str| {
        (8..=10).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_digit())
    };
    match pod.rsplit_once('-') {
        Some((set, ordinal)) if is_number(ordinal) => set,
        Some((rest, random)) if random.len() == 5 && is_random(random) => match rest.rsplit_once('-') {
            Some((workload, hash)) if is_hash(hash) => workload,
            _ => rest,
        },
        _ => pod,
    }
}

/// The Helm releases that changed, in all of their revisions.
fn releases(asked: &Asked, window: Window, source: &mut impl Source, seen: &mut Seen) {
    let read = within_reach(source, asked.namespace.as_deref(), |source, place| source.releases(place));
    let releases = seen.take("Helm releases", read);
    let is_asked =
        |release: &Release| asked.name.as_ref().is_none_or(|part| release.name.to_lowercase().contains(part));
    let mut changed: Vec<(u64, Release)> = releases
        .into_iter()
        .filter(is_asked)
        .filter_map(|release| Some((parse(&release.updated).filter(|time| window.has(*time))?, release)))
        .collect();
    changed.sort_by_key(|(time, _)| Reverse(*time));
    for (at, (_, release)) in changed.into_iter().enumerate() {
        if at >= RELEASES {
            seen.releases.push(release);
            continue;
        }
        let read = source.history(&release.namespace, &release.name);
        let history = seen.take("revisions of Helm releases", read);
        if history.is_empty() {
            seen.releases.push(release);
        }
        seen.releases.extend(history);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stem_of_a_pod_is_its_workload() {
        for (pod, expected) in [
            ("web-6d4f9c7b8d-k8pq2", "web"),
            ("cart-db-0", "cart-db"),
            ("agent-x7kq2", "agent"),
            ("settlement-29384700-bcdfg", "settlement"),
            ("plain", "plain"),
            ("two-words", "two-words"),
        ] {
            assert_eq!(stem(pod), expected, "{pod}");
        }
    }

    #[test]
    fn a_restart_is_dated_by_the_table() {
        let row = |status: &str, restarts: &str| PodRow {
            namespace: None,
            name: "a".into(),
            status: status.into(),
            restarts: restarts.into(),
        };
        assert_eq!(since_restart(&row("Running", "14 (4m10s ago)")), Some(250));
        assert_eq!(since_restart(&row("Running", "1 (2d3h ago)")), Some(183_600));
        assert_eq!(since_restart(&row("Evicted", "0")), Some(0));
        assert_eq!(since_restart(&row("Running", "0")), None);
        assert_eq!(since_restart(&row("Running", "3 (? ago)")), None);
    }
}
