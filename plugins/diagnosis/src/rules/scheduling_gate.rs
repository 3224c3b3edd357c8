//! A pod that a scheduling gate holds back: mostly meant so, by a queue such as Kueue.
//!
//! Evidence: spec.schedulingGates, and the condition PodScheduled with the reason SchedulingGated.
//! Not to be taken for: a fault; it is shown as a consequence, and gives way to every cause.
//! Source: kubernetes/pkg/scheduler/framework/plugins/schedulinggates.

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, health::is_gated, object::text};

pub(super) const RULE: Rule = Rule { id: "scheduling-gate", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let gated = facts.all(Kind::Pod).filter(|pod| is_gated(pod) && pod.deleted().is_none());
    gated.map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Finding {
    let gates: Vec<&str> = pod.list("/spec/schedulingGates").iter().map(|gate| text(gate, "/name")).collect();
    let summary = format!(
        "held back by its scheduling gate {}, until the controller behind it removes it",
        gates.join(", ")
    );
    Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::fact(
            "no node is looked for meanwhile",
            format!("spec.schedulingGates of {}", pod.reference()),
        ))
        .next("look at the queue or controller that the gate is named after")
        .symptom()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::recorded::{Recorded, pod, running};

    #[test]
    fn a_gate_is_named_and_the_pod_is_not_running_as_intended() {
        let gated = pod(
            "train",
            json!({"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}], "containers": []}),
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates"}]}),
        );
        let answer = Recorded::new(&[gated]).ask("train");
        assert!(answer.starts_with("Pod shop/train: not running, as intended"), "{answer}");
        assert!(
            answer.contains(
                "[scheduling-gate] Pod shop/train: held back by its scheduling gate kueue.x-k8s.io/admission"
            ),
            "{answer}"
        );
        let answer = Recorded::new(&[running("train")]).ask("train");
        assert!(!answer.contains("scheduling-gate"), "{answer}");
    }
}
