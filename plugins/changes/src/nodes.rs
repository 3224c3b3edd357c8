//! Nodes that joined, that became ready or not, that were cordoned or came under pressure.

use std::cmp::Reverse;

use porthole_diagnosis::{Event, Kind, Object, line, object::text, time};

use crate::{
    collect::Seen,
    entry::{Entry, Topic},
    source::Write,
    window::{Window, parse},
};

/// Seconds after its creation in which a node takes its first conditions.
const YOUNG: u64 = 600;
/// Seconds between a condition and the event about it.
const NEAR: u64 = 90;
const CORDON: &str = "node.kubernetes.io/unschedulable";
/// Nodes that join and are told one by one, and names in the line for more of them.
const SINGLE: usize = 2;
const NAMES: usize = 4;
/// Bytes of a message.
const MESSAGE: usize = 160;
/// Events of which no condition remembers more than the last one.
const EVENTS: [(&str, &str); 6] = [
    ("NodeNotReady", "became not ready"),
    ("NodeReady", "became ready"),
    ("NodeSchedulable", "was uncordoned"),
    ("NodeNotSchedulable", "was cordoned"),
    ("Rebooted", "was rebooted"),
    ("RemovingNode", "was removed"),
];

/// All changes of nodes in the window.
pub(crate) fn entries(seen: &Seen, window: Window) -> Vec<Entry> {
    let mut entries: Vec<Entry> = seen.nodes.iter().flat_map(|node| of_node(seen, node)).collect();
    entries.extend(joined(seen, window));
    // What a condition has told already is left out.
    let events = seen.events.iter().filter(|event| event.text("/involvedObject/kind") == "Node");
    for event in events.map(Event::new) {
        let Some((_, words)) = EVENTS.iter().find(|(reason, _)| *reason == event.reason()) else { continue };
        let Some(node) = event.object() else { continue };
        let time = event.last_seen();
        let is_told = entries.iter().any(|entry| {
            entry.names.contains(&node.name)
                && entry.text.contains(words)
                && entry.time.abs_diff(time) <= NEAR
        });
        if !is_told {
            entries.push(Entry::new(
                time,
                Topic::Node,
                "",
                &node.name,
                format!("Node {} {words}", node.name),
            ));
        }
    }
    entries.retain(|entry| window.has(entry.time));
    entries
}

/// Nodes that joined, in one line if they are more than a few: an autoscaler adds many.
fn joined(seen: &Seen, window: Window) -> Vec<Entry> {
    let mut joined: Vec<(u64, &str)> =
        seen.nodes.iter().filter_map(|node| Some((node.created()?, node.name()))).collect();
    joined.retain(|(created, _)| window.has(*created));
    joined.sort_by_key(|(created, name)| (Reverse(*created), *name));
    let entry =
        |(time, name): &(u64, &str)| Entry::new(*time, Topic::Node, "", name, format!("Node {name} joined"));
    if joined.len() <= SINGLE {
        return joined.iter().map(entry).collect();
    }
    let Some((time, _)) = joined.first().copied() else { return Vec::new() };
    let names: Vec<String> = joined.iter().map(|(_, name)| (*name).to_owned()).collect();
    let shown: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!("{} Nodes joined: {}{more}", names.len(), shown.join(", "));
    vec![Entry { time, topic: Topic::Node, namespace: String::new(), names, text }]
}

fn of_node(seen: &Seen, node: &Object) -> Vec<Entry> {
    let name = node.name();
    let entry = |time, words: String| Entry::new(time, Topic::Node, "", name, format!("Node {name} {words}"));
    let created = node.created().unwrap_or_default();
    let mut entries = Vec::new();
    for condition in node.list("/status/conditions") {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        let Some(since) = time::parse(text(condition, "/lastTransitionTime")) else { continue };
        let why = line(text(condition, "/message"), MESSAGE);
        let words = match (kind, status) {
            ("Ready", "True") => "became ready".to_owned(),
            ("Ready", _) => format!("became not ready ({}): {why}", text(condition, "/reason")),
            (_, "True") => format!("has {kind}: {why}"),
            // A pressure that is over.
            (_, "False") if kind.ends_with("Pressure") => format!("has no {kind} any more"),
            _ => continue,
        };
        if since.saturating_sub(created) > YOUNG {
            entries.push(entry(since, words));
        }
    }
    if let Some(time) = cordons(node).max() {
        entries.push(entry(time, format!("was cordoned{}", cordoned_by(seen, name, time))));
    }
    entries
}

/// Times at which a node got the taint of a cordon.
fn cordons(node: &Object) -> impl Iterator<Item = u64> {
    let taints = node.list("/spec/taints").iter().filter(|taint| text(taint, "/key") == CORDON);
    taints.filter_map(|taint| time::parse(text(taint, "/timeAdded")))
}

/// The manager that made a node unschedulable at a time.
fn cordoned_by(seen: &Seen, node: &str, time: u64) -> String {
    let is_it = |(kind, write): &&(Kind, Write)| {
        *kind == Kind::Node
            && write.name == node
            && write.fields.iter().any(|field| field == "spec.unschedulable")
            && parse(&write.time).is_some_and(|at| at.abs_diff(time) <= NEAR)
    };
    let write = seen.writes.iter().find(is_it);
    write.map(|(_, write)| format!(" by {}", write.manager)).unwrap_or_default()
}
