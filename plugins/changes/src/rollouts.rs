//! Rollouts, rollbacks and restarts of workloads, with the difference of their templates; and their scaling.

use std::collections::BTreeMap;

use porthole_diagnosis::{
    Event, Kind, Object, Reference,
    object::{self, list, text},
    template, time,
};
use serde_json::Value;

use crate::{
    collect::Seen,
    entry::{Entry, Topic, subject},
    source::Write,
    window::{Window, parse},
};

/// Seconds between a write and what a controller makes of it.
const NEAR: u64 = 60;
/// Annotations of a template that are named.
const ANNOTATIONS: usize = 3;
/// Workloads of a namespace whose creation is told one by one, and names in the line for more of them.
const SINGLE: usize = 3;
const NAMES: usize = 8;
/// The annotation that `kubectl rollout restart` sets.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// A ReplicaSet or ControllerRevision.
#[derive(Debug, Clone, Copy)]
struct Revision<'s> {
    number: u64,
    created: u64,
    template: Option<&'s Value>,
    object: &'s Value,
}

impl<'s> Revision<'s> {
    fn new(object: &'s Value) -> Option<Self> {
        let annotations = object::map(object.pointer("/metadata/annotations"));
        let annotated = annotations.iter().find(|(key, _)| *key == "deployment.kubernetes.io/revision");
        let number = match annotated {
            Some((_, number)) => number.parse().ok()?,
            None => object.pointer("/revision").and_then(Value::as_u64)?,
        };
        let template = object.pointer("/spec/template").or(object.pointer("/data/spec/template"));
        let created = time::parse(text(object, "/metadata/creationTimestamp"))?;
        Some(Self { number, created, template, object })
    }

    /// The numbers that it had before it was rolled back to.
    fn former(&self) -> String {
        let annotations = object::map(self.object.pointer("/metadata/annotations"));
        let history = annotations.iter().find(|(key, _)| *key == "deployment.kubernetes.io/revision-history");
        history
            .map(|(_, numbers)| numbers.rsplit(',').next().unwrap_or_default().to_owned())
            .unwrap_or_default()
    }
}

/// The revisions of a workload, the oldest number first.
fn revisions<'s>(seen: &'s Seen, workload: &Object) -> Vec<Revision<'s>> {
    let is_owned = |object: &&Value| {
        text(object, "/metadata/namespace") == workload.namespace()
            && list(object, "/metadata/ownerReferences").iter().any(|owner| {
                text(owner, "/kind") == workload.kind().name() && text(owner, "/name") == workload.name()
            })
    };
    let mut revisions: Vec<Revision<'_>> =
        seen.revisions.iter().filter(is_owned).filter_map(Revision::new).collect();
    revisions.sort_by_key(|revision| (revision.number, revision.created));
    revisions
}

/// Rollouts of all workloads.
pub(crate) fn entries(seen: &Seen, window: Window) -> Vec<Entry> {
    folded(seen.workloads.iter().flat_map(|workload| of_workload(seen, workload, window)).collect())
}

/// The entries, with one for the creations of a namespace where there are many: it is new, or an application in it.
fn folded(entries: Vec<Entry>) -> Vec<Entry> {
    let (created, mut others): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| entry.topic == Topic::Creation);
    let mut places: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in created {
        places.entry(entry.namespace.clone()).or_default().push(entry);
    }
    for (namespace, created) in places {
        if created.len() <= SINGLE {
            others.extend(created);
            continue;
        }
        let time = created.iter().map(|entry| entry.time).max().unwrap_or_default();
        let count = created.len();
        let names: Vec<String> = created.into_iter().flat_map(|entry| entry.names).collect();
        let shown: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
        let more = count.saturating_sub(NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("created {count} workloads in {namespace}: {}{more}", shown.join(", "));
        others.push(Entry { time, topic: Topic::Creation, namespace, names, text });
    }
    others
}

fn of_workload(seen: &Seen, workload: &Object, window: Window) -> Vec<Entry> {
    let (kind, namespace, name) = (workload.kind().name(), workload.namespace(), workload.name());
    let what = subject(kind, namespace, name);
    let written = templates_written(seen, workload);
    let revisions = revisions(seen, workload);
    let newest = revisions.len().saturating_sub(1);
    let mut entries = Vec::new();
    for (at, revision) in revisions.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| revisions.get(at));
        let end = if at == newest { outcome(workload) } else { String::new() };
        let number = revision.number;
        let (time, words) = match before {
            // The template of an older revision, which now has the newest number.
            Some(before) if at == newest && revision.created < before.created => {
                let Some(time) = written.iter().map(|(time, _)| *time).max() else { continue };
                let former = match revision.former().as_str() {
                    "" => String::new(),
                    former => format!(" (the template of {former})"),
                };
                let by = by(&written, time);
                let changes = differences(before.template, revision.template);
                (
                    time,
                    format!("rolled back {what} {} -> {number}{former}{by}: {changes}{end}", before.number),
                )
            }
            Some(before) => {
                let by = by(&written, revision.created);
                let changes = differences(before.template, revision.template);
                (
                    revision.created,
                    format!("rollout {what} {} -> {number}{by}: {changes}{end}", before.number),
                )
            }
            None if workload.created().is_some_and(|created| window.has(created)) => continue,
            None => {
                let by = by(&written, revision.created);
                let images = images(workload);
                (
                    revision.created,
                    format!("rollout {what} to {number}{by}; its predecessor is gone: {images}{end}"),
                )
            }
        };
        if window.has(time) {
            entries.push(Entry::new(time, Topic::Rollout, namespace, name, words));
        }
    }
    if let Some(created) = workload.created().filter(|created| window.has(*created)) {
        let by = by(&written, created);
        let end = if revisions.len() < 2 { outcome(workload) } else { String::new() };
        let words = format!("created {what}{by}: {}{end}", images(workload));
        entries.push(Entry::new(created, Topic::Creation, namespace, name, words));
    }
    entries
}

/// The writes to a workload that set its template, with their times.
fn templates_written<'s>(seen: &'s Seen, workload: &Object) -> Vec<(u64, &'s Write)> {
    let is_it = |(kind, write): &&(Kind, Write)| {
        *kind == workload.kind()
            && (write.namespace.as_str(), write.name.as_str()) == (workload.namespace(), workload.name())
            && write
                .fields
                .iter()
                .any(|field| field == "spec.template" || field.starts_with("spec.template."))
    };
    let writes = seen.writes.iter().filter(is_it);
    writes.filter_map(|(_, write)| Some((parse(&write.time)?, write))).collect()
}

/// The manager whose write is the nearest before a time: ` by kubectl-edit`.
fn by(written: &[(u64, &Write)], time: u64) -> String {
    let near = written.iter().filter(|(at, _)| at.abs_diff(time) <= NEAR);
    let nearest = near.min_by_key(|(at, write)| (at.abs_diff(time), write.manager.as_str()));
    nearest.map(|(_, write)| format!(" by {}", write.manager)).unwrap_or_default()
}

/// The differences of two templates, in a few words.
fn differences(old: Option<&Value>, new: Option<&Value>) -> String {
    let (Some(old), Some(new)) = (old, new) else { return "its templates cannot be compared".to_owned() };
    let spec = |template: &Value| template.pointer("/spec").cloned().unwrap_or_default();
    let mut changes = template::changes(&spec(old), &spec(new));
    let annotations = |template: &Value| -> BTreeMap<String, String> {
        let map = object::map(template.pointer("/metadata/annotations"));
        map.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let (before, after) = (annotations(old), annotations(new));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| before.get(*key) != after.get(*key));
    if keys.iter().any(|key| *key == RESTARTED) {
        changes.push("restarted by hand (rollout restart)".to_owned());
        keys.retain(|key| *key != RESTARTED);
    }
    if !keys.is_empty() {
        let more = keys.len().saturating_sub(ANNOTATIONS);
        let shown: Vec<&str> = keys.iter().take(ANNOTATIONS).map(|key| key.as_str()).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        changes.push(format!("annotation {}{more} differs", shown.join(", ")));
    }
    if changes.is_empty() { "no field that is compared differs".to_owned() } else { changes.join("; ") }
}

/// `images app:1, proxy:2`
fn images(workload: &Object) -> String {
    let containers = workload.list("/spec/template/spec/containers");
    let images: Vec<&str> = containers.iter().map(|container| text(container, "/image")).collect();
    format!("images {}", images.join(", "))
}

/// The end of the newest rollout, if it failed.
fn outcome(workload: &Object) -> String {
    let condition = workload.condition("Progressing").filter(|condition| condition.status == "False");
    condition.map(|condition| format!("; it failed: {}", condition.reason)).unwrap_or_default()
}

/// A change of the number of replicas.
#[derive(Default)]
struct Scaling {
    time: u64,
    from: Option<String>,
    to: Option<String>,
    why: String,
}

/// Scaling by a person, a program or an autoscaler. `rollouts` scale ReplicaSets too.
pub(crate) fn scaled(seen: &Seen, window: Window, rollouts: &[Entry]) -> Vec<Entry> {
    let mut found: BTreeMap<Reference, Scaling> = BTreeMap::new();
    let is_rolled = |namespace: &str, name: &str| {
        rollouts
            .iter()
            .any(|entry| entry.namespace == namespace && entry.names.iter().any(|other| other == name))
    };
    let mut events: Vec<Event<'_>> = seen.events.iter().map(Event::new).collect();
    events.sort_by_key(Event::last_seen);
    for event in events.iter().filter(|event| window.has(event.last_seen())) {
        let Some(object) = event.object() else { continue };
        match event.reason() {
            "ScalingReplicaSet" if !is_rolled(&object.namespace, &object.name) => {
                let scaling = found.entry(object).or_default();
                let (from, to) = counts(event.message());
                scaling.time = event.last_seen();
                scaling.from = scaling.from.take().or(from);
                scaling.to = to.or(scaling.to.take());
            }
            "SuccessfulRescale" => {
                let scaling = found.entry(object).or_default();
                (scaling.time, scaling.why) = (event.last_seen(), event.message().to_owned());
            }
            _ => {}
        }
    }
    // An autoscaler writes by the controllers' name, and has told by its event.
    let autoscaled: Vec<(String, u64)> = found
        .iter()
        .filter(|(object, _)| object.kind == Kind::HorizontalPodAutoscaler)
        .map(|(object, scaling)| (object.namespace.clone(), scaling.time))
        .collect();
    for (kind, write) in seen.writes.iter().filter(|(_, write)| write.subresource == "scale") {
        let Some(time) = parse(&write.time) else { continue };
        let is_near = |(place, at): &(String, u64)| *place == write.namespace && at.abs_diff(time) <= NEAR;
        if write.manager == "kube-controller-manager" && autoscaled.iter().any(is_near) {
            continue;
        }
        let scaling = found.entry(Reference::new(*kind, &write.namespace, &write.name)).or_default();
        scaling.time = scaling.time.max(time);
        scaling.why = write.manager.clone();
    }
    let entry = |(what, scaling): (Reference, Scaling)| {
        let Scaling { time, from, to, why } = scaling;
        let now = seen.workloads.iter().find(|workload| workload.reference() == what);
        let to = to.or_else(|| now?.number("/spec/replicas").map(|replicas| replicas.to_string()));
        let counts = match (from, to) {
            (Some(from), Some(to)) => format!(" {from} -> {to}"),
            (None, Some(to)) => format!(" to {to}"),
            _ => String::new(),
        };
        let words = match (what.kind, why.as_str()) {
            (Kind::HorizontalPodAutoscaler, why) => format!("{what} scaled: {why}"),
            (_, "") => format!("scaled {what}{counts}"),
            (_, why) => format!("scaled {what}{counts} by {why}"),
        };
        Entry::new(time, Topic::Scaling, &what.namespace, &what.name, words)
    };
    found.into_iter().map(entry).collect()
}

/// The numbers of `Scaled up replica set web-6d4f from 2 to 4`, or of an older release without the first one.
fn counts(message: &str) -> (Option<String>, Option<String>) {
    let number = |word: Option<&str>| word.filter(|word| word.parse::<u32>().is_ok()).map(str::to_owned);
    let mut words = message.rsplit(' ');
    let to = number(words.next());
    let from = match (words.next(), words.next(), words.next()) {
        (Some("to"), from, Some("from")) => number(from),
        _ => None,
    };
    (from, to)
}
