//! Warnings that began in the window, those of one workload and reason in one line.

use std::collections::{BTreeMap, BTreeSet};

use porthole_diagnosis::{Event, Kind, Object, line, time};

use crate::{
    collect::Seen,
    entry::{Entry, Topic, subject},
    pods::{has_restarted, workload_of},
    window::Window,
};

/// Bytes of a message; of a longer one the middle is cut, because the cause stands at the end.
const MESSAGE: usize = 120;
/// Reasons that something else tells of.
const TOLD: [&str; 6] =
    ["Evicted", "OOMKilling", "NodeNotReady", "Rebooted", "NodeNotSchedulable", "SuccessfulRescale"];

/// The reason of a kubelet that waits before it starts a container again. Its message names no cause.
const BACK_OFF: &str = "BackOff";
/// Reasons whose messages say what a container waits for, or was stopped for.
const CAUSES: [&str; 2] = ["Failed", "Unhealthy"];

/// Events of one workload and reason.
#[derive(Default)]
struct Warnings<'s> {
    began: u64,
    count: i64,
    names: Vec<String>,
    /// True if the message is more than the name of a state.
    has_cause: bool,
    message: &'s str,
}

/// The warnings that began in the window.
pub(crate) fn warnings(seen: &Seen, window: Window, entries: &[Entry]) -> Vec<Entry> {
    let restarted: Vec<&Object> = seen.pods.iter().filter(|pod| has_restarted(pod, window)).collect();
    let with_cause = with_cause(seen, window);
    let mut all: BTreeMap<(&str, &str, &str), (&str, Warnings<'_>)> = BTreeMap::new();
    for object in seen.events.iter().filter(|event| event.text("/type") == "Warning") {
        let event = Event::new(object);
        let (kind, name) = (object.text("/involvedObject/kind"), object.text("/involvedObject/name"));
        let namespace = object.text("/involvedObject/namespace");
        let Some(began) = began(object).filter(|time| window.has(*time)) else { continue };
        // The kubelet waits after each restart, which is told already, or because of what it says in another event.
        let is_told = event.reason() == BACK_OFF
            && (with_cause.contains(&about(object))
                || restarted.iter().any(|pod| (pod.namespace(), pod.name()) == (namespace, name))
                    && entries.iter().any(|entry| entry.names.iter().any(|other| other == name)));
        if TOLD.contains(&event.reason()) || is_told {
            continue;
        }
        let key = (namespace, workload_of(kind, name), event.reason());
        let (_, warnings) = all.entry(key).or_insert_with(|| (kind, Warnings::default()));
        warnings.began = if warnings.began == 0 { began } else { warnings.began.min(began) };
        warnings.count = warnings.count.saturating_add(event.count());
        warnings.names.push(name.to_owned());
        let has_cause = is_cause(event.message());
        if has_cause >= warnings.has_cause {
            (warnings.has_cause, warnings.message) = (has_cause, event.message());
        }
    }
    let entry =
        |((namespace, workload, reason), (kind, warnings)): ((&str, &str, &str), (&str, Warnings<'_>))| {
            let Warnings { began, count, mut names, message, .. } = warnings;
            names.sort();
            names.dedup();
            let what = match names.as_slice() {
                [name] => subject(kind, namespace, name),
                names => format!("{} pods of {namespace}/{workload}", names.len()),
            };
            let times = if count > 1 { format!(" x{count}") } else { String::new() };
            let text = format!("began {reason}{times} {what}: {}", line(message, MESSAGE));
            names.push(workload.to_owned());
            Entry { time: began, topic: Topic::Warning, namespace: namespace.to_owned(), names, text }
        };
    all.into_iter().map(entry).collect()
}

/// False for `Error: ImagePullBackOff` and its like, which stand beside the event with the cause.
fn is_cause(message: &str) -> bool {
    !message.strip_prefix("Error: ").unwrap_or(message).bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Namespace, name and field of what an event is about.
fn about(event: &Object) -> [&str; 3] {
    ["/namespace", "/name", "/fieldPath"].map(|key| event.text(&format!("/involvedObject{key}")))
}

/// The containers for which a warning of the window names a cause.
fn with_cause(seen: &Seen, window: Window) -> BTreeSet<[&str; 3]> {
    let has_cause = |event: &&Object| {
        event.text("/type") == "Warning"
            && CAUSES.contains(&event.text("/reason"))
            && is_cause(event.text("/message").trim())
            && began(event).is_some_and(|time| window.has(time))
    };
    seen.events.iter().filter(has_cause).map(about).collect()
}

/// Seconds since 1970 of its first occurrence.
fn began(event: &Object) -> Option<u64> {
    let times = ["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.into_iter().find_map(|at| time::parse(event.text(at)))
}

/// The oldest time that an event remembers; None without events.
pub(crate) fn oldest(seen: &Seen) -> Option<u64> {
    seen.events
        .iter()
        .filter(|event| event.kind() == Kind::Event)
        .map(|event| Event::new(event).last_seen())
        .min()
}
