//! Joins of a pod with nodes: why each of them cannot take it. Every check errs towards a node that fits.

pub mod affinity;
pub mod message;
pub mod room;
pub mod spread;
pub mod taints;
pub mod trouble;
pub mod volumes;

use crate::{Facts, Kind, Object, object::text};
use taints::Origin;

/// True if all nodes are known: only then it follows that none has something.
pub fn are_nodes_known(facts: &Facts) -> bool {
    facts.is_listed(Kind::Node, "") && facts.all(Kind::Node).next().is_some()
}

/// Nodes that a pod may use by their labels and taints, and that are not cordoned.
pub fn candidates<'f>(facts: &'f Facts, pod: &Object) -> Vec<&'f Object> {
    let fits = |node: &&Object| {
        !node.flag("/spec/unschedulable")
            && affinity::fits(pod, node)
            && taints::untolerated(pod, node).next().is_none()
    };
    facts.all(Kind::Node).filter(fits).collect()
}

/// True if a node could run a pod but for taints of some origins: labels, other taints, spread, volumes and free resources, as far
/// as they are known.
pub fn could_run(facts: &Facts, pod: &Object, node: &Object, but_for: &[Origin]) -> bool {
    let mut taints = taints::untolerated(pod, node);
    affinity::fits(pod, node)
        && taints.all(|taint| but_for.contains(&Origin::of(text(taint, "/key"))))
        && spread::fits(pod, node)
        && volumes::fits(facts, pod, node)
        && room::fits(facts, pod, node)
}

/// At most three names, and the number of the others.
pub fn names(names: &[&str]) -> String {
    let more = names.len().saturating_sub(3);
    let shown: Vec<&str> = names.iter().copied().take(3).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
