//! Taints of nodes that a pod does not tolerate.

use serde_json::Value;

use super::{affinity, names};
use crate::{Facts, Kind, Object, object::text, selectors};

/// The cause of a taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A control plane keeps pods off its node: no fault.
    ControlPlane,
    /// Kubernetes marks a node that has trouble.
    Trouble,
    /// The node is cordoned.
    Cordon,
    /// Nodes are kept for some pods.
    Chosen,
}

impl Origin {
    /// The cause of the taint with a key.
    pub fn of(key: &str) -> Self {
        match key {
            "node-role.kubernetes.io/control-plane" | "node-role.kubernetes.io/master" => Self::ControlPlane,
            "node.kubernetes.io/unschedulable" => Self::Cordon,
            "node.cloudprovider.kubernetes.io/uninitialized"
            | "ToBeDeletedByClusterAutoscaler"
            | "DeletionCandidateOfClusterAutoscaler"
            | "karpenter.sh/disrupted" => Self::Trouble,
            _ if key.starts_with("node.kubernetes.io/") => Self::Trouble,
            _ => Self::Chosen,
        }
    }
}

/// The taints of a node that keep a pod off it.
pub fn untolerated<'n>(pod: &Object, node: &'n Object) -> impl Iterator<Item = &'n Value> {
    let tolerations = pod.list("/spec/tolerations");
    let is_hard = |taint: &&Value| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute");
    let taints = node.list("/spec/taints").iter().filter(is_hard);
    taints.filter(|taint| !selectors::tolerates(tolerations, taint)).collect::<Vec<_>>().into_iter()
}

/// The taints that keep a pod off nodes whose labels fit, with the names of these.
pub fn all<'f>(facts: &'f Facts, pod: &Object) -> Vec<(&'f Value, Vec<&'f str>)> {
    let mut taints: Vec<(&Value, Vec<&str>)> = Vec::new();
    for node in facts.all(Kind::Node).filter(|node| affinity::fits(pod, node)) {
        for taint in untolerated(pod, node) {
            let shown = selectors::show_taint(taint);
            match taints.iter_mut().find(|(other, _)| selectors::show_taint(other) == shown) {
                Some((_, nodes)) => nodes.push(node.name()),
                None => taints.push((taint, vec![node.name()])),
            }
        }
    }
    taints
}

/// The taints of some origins in a sentence, and the nodes of each.
pub fn explain(taints: &[(&Value, Vec<&str>)], origins: &[Origin]) -> Option<(String, Vec<String>)> {
    let chosen: Vec<&(&Value, Vec<&str>)> = taints
        .iter()
        .filter(|(taint, _)| origins.contains(&Origin::of(text(taint, "/key"))))
        .take(3)
        .collect();
    let shown: Vec<String> = chosen.iter().map(|(taint, _)| selectors::show_taint(taint)).collect();
    let facts = chosen
        .iter()
        .map(|(taint, nodes)| format!("taint {} on {}", selectors::show_taint(taint), names(nodes)));
    let word = if shown.len() == 1 { "taint" } else { "taints" };
    (!shown.is_empty())
        .then(|| (format!("it does not tolerate the {word} {}", shown.join(", ")), facts.collect()))
}
