//! Free resources of nodes, and the requests of a pod.

use std::cmp::Reverse;

use serde_json::Value;

use super::candidates;
use crate::{
    Facts, Kind, Object,
    demand::{self, Bound, Demand},
    quantity,
};

/// A node's share of a resource.
struct Share<'f> {
    node: &'f str,
    allocatable: i128,
    /// None if not all pods are known.
    free: Option<i128>,
}

/// The request of a pod for a resource; every pod is one of `pods`.
pub fn request(pod: &Object, resource: &str) -> i128 {
    if resource == "pods" {
        return 1000;
    }
    let spec = pod.at("/spec").unwrap_or(&Value::Null);
    demand::of_spec(spec, Bound::Requests).get(resource).copied().unwrap_or_default()
}

/// Why no node has enough of a resource, and the room of each that comes into question.
pub fn explain(facts: &Facts, pod: &Object, resource: &str) -> (String, Vec<String>) {
    let asked = request(pod, resource);
    let show = |value: i128| quantity::show(resource, value);
    let usable = candidates(facts, pod);
    let nodes: Vec<&Object> = if usable.is_empty() { facts.all(Kind::Node).collect() } else { usable };
    let no_node =
        if nodes.len() < facts.all(Kind::Node).count() { "no node that it may use" } else { "no node" };
    let mut shares: Vec<Share<'_>> = nodes.into_iter().map(|node| share(facts, node, resource)).collect();
    shares.sort_by_key(|share| (Reverse(share.free.unwrap_or(share.allocatable)), share.node));
    let largest = shares.iter().map(|share| share.allocatable).max();
    let word = if resource == "pods" {
        "it is one more pod".to_owned()
    } else {
        format!("it requests {resource} {}", show(asked))
    };
    let summary = match (largest, shares.first().map(|share| share.free)) {
        (Some(0), _) => format!("{no_node} offers {resource}, of which it requests {}", show(asked)),
        (Some(largest), _) if largest < asked => {
            format!("{word}, and {no_node} has more than {} at all", show(largest))
        }
        (Some(_), Some(Some(free))) if free < asked => {
            format!(
                "{no_node} has enough free {resource}: {word}, the most free on one node is {}",
                show(free.max(0))
            )
        }
        _ => format!("{no_node} has enough free {resource}: {word}"),
    };
    let shown: Vec<String> = shares
        .iter()
        .take(3)
        .map(|share| match share.free {
            Some(free) => format!("{} {} of {}", share.node, show(free.max(0)), show(share.allocatable)),
            None => format!("{} has {}", share.node, show(share.allocatable)),
        })
        .collect();
    let more = shares.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more nodes") } else { String::new() };
    let known = if shares.iter().any(|share| share.free.is_some()) { "free" } else { "allocatable" };
    let facts = if shown.is_empty() {
        Vec::new()
    } else {
        vec![format!("{known} {resource}: {}{more}", shown.join(", "))]
    };
    (summary, facts)
}

/// True if a node has enough free of all that a pod requests; of what is not known, as if nothing was taken.
pub fn fits(facts: &Facts, pod: &Object, node: &Object) -> bool {
    let spec = pod.at("/spec").unwrap_or(&Value::Null);
    demand::of_spec(spec, Bound::Requests).into_iter().all(|(resource, asked)| {
        let share = share(facts, node, &resource);
        asked <= share.free.unwrap_or(share.allocatable)
    })
}

fn share<'f>(facts: &'f Facts, node: &'f Object, resource: &str) -> Share<'f> {
    let allocatable = node.map("/status/allocatable").into_iter().find(|(name, _)| *name == resource);
    let allocatable = allocatable.and_then(|(_, value)| quantity::parse(value)).unwrap_or_default();
    let requested = facts.requested().map(|nodes| {
        nodes.get(node.name()).and_then(|demand| demand.get(resource)).copied().unwrap_or_default()
    });
    Share { node: node.name(), allocatable, free: requested.map(|requested| allocatable - requested) }
}

/// The share of its node that a pod takes, if it takes something: name of the node, and requests.
pub fn taken(pod: &Object) -> Option<(&str, Demand)> {
    let node = pod.text("/spec/nodeName");
    if node.is_empty() || matches!(pod.text("/status/phase"), "Succeeded" | "Failed") {
        return None;
    }
    let mut demand = demand::of_spec(pod.at("/spec")?, Bound::Requests);
    demand.insert("pods".to_owned(), 1000);
    Some((node, demand))
}
