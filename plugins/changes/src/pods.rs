//! Restarts, kills for memory and evictions of pods, those of one workload in one line.

use std::collections::BTreeMap;

use porthole_diagnosis::{Object, health::statuses, line, object::text, time};
use serde_json::Value;

use crate::{
    collect::{Seen, stem},
    entry::{Entry, Topic, subject},
    window::Window,
};

/// Bytes of a message of the kubelet.
const MESSAGE: usize = 160;

/// The end of a container, as far as it is the same for pods of one workload.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End<'s> {
    topic: Topic,
    namespace: &'s str,
    /// Kind and name of the owner, or of the pod.
    owner: (String, String),
    container: &'s str,
    how: String,
}

/// Ends of one kind.
#[derive(Default)]
struct Ends {
    last: u64,
    pods: Vec<String>,
    restarts: u64,
}

/// All ends of containers and evictions in the window.
pub(crate) fn entries(seen: &Seen, window: Window) -> Vec<Entry> {
    let mut all: BTreeMap<End<'_>, Ends> = BTreeMap::new();
    for pod in &seen.pods {
        let mut add = |topic: Topic, container, how: String, time: u64, restarts: u64| {
            let end = End { topic, namespace: pod.namespace(), owner: owner(pod), container, how };
            let ends = all.entry(end).or_default();
            ends.last = ends.last.max(time);
            ends.pods.push(pod.name().to_owned());
            ends.restarts = ends.restarts.saturating_add(restarts);
        };
        if pod.text("/status/reason") == "Evicted" {
            if let Some(time) = evicted(pod).filter(|time| window.has(*time)) {
                add(Topic::Eviction, "", line(pod.text("/status/message"), MESSAGE), time, 0);
            }
            continue;
        }
        for status in statuses(pod) {
            let Some((end, time)) = last_end(status).filter(|(_, time)| window.has(*time)) else { continue };
            let restarts = status.pointer("/restartCount").and_then(Value::as_u64).unwrap_or(0);
            let name = text(status, "/name");
            let is_out = text(end, "/reason") == "OOMKilled";
            let topic = if is_out { Topic::OutOfMemory } else { Topic::Restart };
            let how = if is_out { limit(pod, name) } else { exit(end) };
            add(topic, name, how, time, restarts);
        }
    }
    all.into_iter().map(|(end, ends)| entry(end, ends)).collect()
}

fn entry(end: End<'_>, ends: Ends) -> Entry {
    let End { topic, namespace, owner: (kind, name), container, how } = end;
    let what = subject(&kind, namespace, &name);
    let Ends { last, mut pods, restarts } = ends;
    let count = match pods.len() {
        1 => String::new(),
        count => format!(" in {count} pods"),
    };
    let how = if how.is_empty() { how } else { format!(": {how}") };
    let words = match topic {
        Topic::Eviction => format!("evicted {what}{count}{how}"),
        Topic::OutOfMemory => {
            format!(
                "killed for its memory {what}, container {container}{count}{how}; {restarts} restarts so far"
            )
        }
        _ => format!("restarted {what}, container {container}{count}{how}; {restarts} restarts so far"),
    };
    pods.push(name);
    Entry { time: last, topic, namespace: namespace.to_owned(), names: pods, text: words }
}

/// The workload of a pod, or the pod itself.
fn owner(pod: &Object) -> (String, String) {
    match pod.owner() {
        // Of a ReplicaSet the Deployment is meant, whose name is a part of it.
        Some(("ReplicaSet", set)) => {
            let labels = pod.map("/metadata/labels");
            let hash = labels.iter().find(|(key, _)| *key == "pod-template-hash").map(|(_, hash)| *hash);
            match hash.and_then(|hash| set.strip_suffix(hash)).and_then(|name| name.strip_suffix('-')) {
                Some(name) => ("Deployment".to_owned(), name.to_owned()),
                None => ("ReplicaSet".to_owned(), set.to_owned()),
            }
        }
        Some((kind, name)) if kind != "Node" => (kind.to_owned(), name.to_owned()),
        _ => ("Pod".to_owned(), pod.name().to_owned()),
    }
}

/// The last end of a container that was restarted or failed, and its time.
fn last_end(status: &Value) -> Option<(&Value, u64)> {
    let now = status.pointer("/state/terminated").filter(|end| end.pointer("/exitCode") != Some(&0.into()));
    let end = now.or(status.pointer("/lastState/terminated"))?;
    Some((end, time::parse(text(end, "/finishedAt"))?))
}

/// `exit code 1 (Error)`
fn exit(end: &Value) -> String {
    let code = end.pointer("/exitCode").and_then(Value::as_i64).unwrap_or_default();
    match text(end, "/reason") {
        "" => format!("exit code {code}"),
        reason => format!("exit code {code} ({reason})"),
    }
}

/// `limit 128Mi`
fn limit(pod: &Object, container: &str) -> String {
    let containers = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|at| pod.list(at));
    let limit = containers
        .filter(|other| text(other, "/name") == container)
        .map(|container| text(container, "/resources/limits/memory"))
        .find(|limit| !limit.is_empty());
    limit.map(|limit| format!("limit {limit}")).unwrap_or_default()
}

/// The time of an eviction: its condition, the end of its containers, or the kubelet's first sight of the pod, which for
/// a pod that was not admitted is the same.
fn evicted(pod: &Object) -> Option<u64> {
    let disrupted = pod.condition("DisruptionTarget").and_then(|condition| condition.since);
    let ended = statuses(pod).filter_map(last_end).map(|(_, time)| time).max();
    disrupted.or(ended).or_else(|| time::parse(pod.text("/status/startTime"))).or_else(|| pod.created())
}

/// The workload of an object of an event, by its name.
pub(crate) fn workload_of<'n>(kind: &str, name: &'n str) -> &'n str {
    if kind == "Pod" { stem(name) } else { name }
}

/// True if a container of the pod has a restart in the window.
pub(crate) fn has_restarted(pod: &Object, window: Window) -> bool {
    statuses(pod).filter_map(last_end).any(|(_, time)| window.has(time))
}
