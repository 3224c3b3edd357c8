//! Nodes that are cordoned while a pod finds no node.
//!
//! Evidence: the scheduler's message names cordoned nodes, and `spec.unschedulable` says which.
//! Not to be taken for: a cordoned node while all pods have a place; one that could not take the pod anyway.
//! Source: kubernetes/pkg/scheduler/framework/plugins/nodeunschedulable.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    placement::{
        candidates, could_run, message, names,
        taints::Origin,
        trouble::{judged, unplaced, with},
        volumes,
    },
};

pub(super) const RULE: Rule = Rule { id: "node-cordoned", find };

const WORDS: [&str; 3] = ["were unschedulable", "{node.kubernetes.io/unschedulable", "untolerated taint(s)"];

fn find(facts: &Facts) -> Vec<Finding> {
    judged(facts, unplaced(facts, &WORDS), |pod| of_pod(facts, pod), |pod| vec![pod.reference()])
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    if volumes::is_being_made(facts, pod) {
        return None;
    }
    // A node that the pod could not use without the cordon does not matter.
    let is_cordoned =
        |node: &&Object| node.flag("/spec/unschedulable") && could_run(facts, pod, node, &[Origin::Cordon]);
    let cordoned: Vec<&Object> = facts.all(Kind::Node).filter(is_cordoned).collect();
    let first = cordoned.first()?;
    let all = facts.all(Kind::Node).count();
    let summary = match cordoned.len() {
        1 => format!("node {} is cordoned, 1 of {all}: no new pod goes to it", first.name()),
        count => format!("{count} of {all} nodes are cordoned, so that no new pod goes to them"),
    };
    let condition = pod.condition("PodScheduled")?;
    // If a node without a cordon has labels and taints that fit, what keeps the pod off that one may be mended instead.
    let is_only = candidates(facts, pod).is_empty();
    let list = names(&cordoned.iter().map(|node| node.name()).collect::<Vec<_>>());
    // The workload, and not the node: other pods run there without trouble.
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .certainty(if is_only { Certainty::Certain } else { Certainty::Likely })
        .with(Evidence::fact(format!("cordoned: {list}"), "spec.unschedulable"))
        .with(Evidence::quote(
            "",
            message::reasons(condition.message),
            format!("PodScheduled of {}", pod.reference()),
        ))
        .next("uncordon it when its maintenance is over, or add a node");
    Some(with(facts, std::iter::once(pod), finding))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, pod, running};

    fn node(name: &str) -> Value {
        let mut node = object("Node", name);
        node["spec"] = json!({"unschedulable": true,
            "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]});
        node["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        node
    }

    fn waiting(spec: Value, message: &str) -> Value {
        pod(
            "web",
            spec,
            json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
        )
    }

    #[test]
    fn a_cordon_that_keeps_a_pod_waiting_is_named() {
        let message = "0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        let answer = Recorded::new(&[node("n1"), waiting(json!({}), message)]).ask("web");
        assert!(answer.contains("cause 1 (certain) [node-cordoned] Pod shop/web: node n1 is cordoned, 1 of 1: no new pod goes to it\n"), "{answer}");
        assert!(!answer.contains("[unschedulable]"), "{answer}");
        let message = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.";
        let answer =
            Recorded::new(&[node("n1"), node("n2"), object("Node", "n3"), waiting(json!({}), message)])
                .ask("web");
        assert!(
            answer.contains("cause 2 (likely) [node-cordoned] Pod shop/web: 2 of 3 nodes are cordoned"),
            "{answer}"
        );
    }

    #[test]
    fn a_cordon_that_explains_nothing_is_none() {
        let message = "0/1 nodes are available: 1 node(s) were unschedulable.";
        for pod in [running("web"), waiting(json!({"nodeSelector": {"disk": "ssd"}}), message)] {
            let answer = Recorded::new(&[node("n1"), pod]).ask("web");
            assert!(!answer.contains("node-cordoned"), "{answer}");
        }
    }
}
