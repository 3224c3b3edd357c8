//! Nodes that are cordoned while a pod finds no node.
//!
//! Evidence: the scheduler's message names cordoned nodes, and `spec.unschedulable` says which.
//! Not to be taken for: a cordoned node while all pods have a place; one that could not take the pod anyway.
//! Source: kubernetes/pkg/scheduler/framework/plugins/nodeunschedulable.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    object::text,
    placement::{
        affinity, message, names,
        taints::{self, Origin},
        trouble::{waiting, with},
    },
};

pub(super) const RULE: Rule = Rule { id: "node-cordoned", find };

const WORDS: [&str; 3] = ["were unschedulable", "{node.kubernetes.io/unschedulable", "untolerated taint(s)"];

fn find(facts: &Facts) -> Vec<Finding> {
    waiting(facts, &WORDS).filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    // A node that the pod could not use without the cordon does not matter.
    let others = |node: &Object| {
        let mut taints = taints::untolerated(pod, node);
        affinity::fits(pod, node) && taints.all(|taint| Origin::of(text(taint, "/key")) == Origin::Cordon)
    };
    let is_cordoned = |node: &&Object| node.flag("/spec/unschedulable") && others(node);
    let cordoned: Vec<&Object> = facts.all(Kind::Node).filter(is_cordoned).collect();
    let first = cordoned.first()?;
    let all = facts.all(Kind::Node).count();
    let summary = match cordoned.len() {
        1 => format!("it is cordoned, 1 of {all} nodes: no new pod goes to it"),
        count => format!("{count} of {all} nodes are cordoned, so that no new pod goes to them"),
    };
    let condition = pod.condition("PodScheduled")?;
    // If other nodes have other reasons, those may be the ones to mend.
    let is_only = message::parts(condition.message)
        .iter()
        .all(|(_, part)| WORDS.iter().any(|word| part.contains(word)) || part.contains("control-plane"));
    let list = names(&cordoned.iter().map(|node| node.name()).collect::<Vec<_>>());
    let finding = Finding::new(RULE.id, first.reference(), summary)
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
        assert!(answer.contains("cause 1 (certain) [node-cordoned] Node n1: it is cordoned, 1 of 1 nodes: no new pod goes to it (affects 1 Pod)"), "{answer}");
        assert!(!answer.contains("[unschedulable]"), "{answer}");
        let message = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.";
        let answer =
            Recorded::new(&[node("n1"), node("n2"), object("Node", "n3"), waiting(json!({}), message)])
                .ask("web");
        assert!(
            answer.contains("cause 2 (likely) [node-cordoned] Node n1: 2 of 3 nodes are cordoned"),
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
