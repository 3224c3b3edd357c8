//! A node that is short of disk, memory or process ids: it evicts pods and takes no new ones.
//!
//! Evidence: the conditions DiskPressure, MemoryPressure and PIDPressure.
//! Not to be taken for: the cause of a pod that runs there and fails for another reason: without an evicted or waiting
//! pod it is a symptom. Conditions of other programs.
//! Source: kubernetes/pkg/kubelet/nodestatus/setters.go, kubernetes/pkg/kubelet/eviction.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    aftermath::{Aftermath, aftermath, newest},
    placement::trouble::{waiting, with},
    time,
};

pub(super) const RULE: Rule = Rule { id: "node-pressure", find };

/// Condition, taint in the scheduler's message, and what is short.
const PRESSURES: [(&str, &str, &str); 3] = [
    ("DiskPressure", "{node.kubernetes.io/disk-pressure", "disk"),
    ("MemoryPressure", "{node.kubernetes.io/memory-pressure", "memory"),
    ("PIDPressure", "{node.kubernetes.io/pid-pressure", "process ids"),
];

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Node).flat_map(|node| of_node(facts, node)).collect()
}

fn of_node(facts: &Facts, node: &Object) -> Vec<Finding> {
    let of_pressure = |(kind, taint, short): &(&'static str, &'static str, &'static str)| {
        let condition = node.condition(kind).filter(|condition| condition.status == "True")?;
        let since =
            condition.since.map(|since| format!(", since {}", time::age(facts.now.saturating_sub(since))));
        let place = format!("condition {kind}{}", since.unwrap_or_default());
        let summary = format!("it is short of {short}: it evicts pods and takes no new ones");
        let finding = Finding::new(RULE.id, node.reference(), summary)
            .with(Evidence::quote(condition.reason, condition.message, place))
            .next(format!("see what uses it: nodes_stats_summary of {}", node.name()));
        let evicted = facts.all(Kind::Pod).filter(|pod| {
            pod.text("/spec/nodeName") == node.name() && pod.text("/status/reason") == "Evicted"
        });
        let evicted =
            newest(facts, evicted).into_iter().filter(|pod| aftermath(facts, pod) != Aftermath::Over);
        let own = finding.affects.len();
        let words = [*taint];
        let finding = with(facts, waiting(facts, &words, node), with(facts, evicted, finding));
        Some(if finding.affects.len() == own { finding.symptom() } else { finding })
    };
    PRESSURES.iter().filter_map(of_pressure).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, pod, running};

    fn node(kind: &str, status: &str) -> Value {
        let mut node = object("Node", "n1");
        node["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": kind, "status": status,
            "reason": "KubeletHasDiskPressure", "message": "kubelet has disk pressure"}]});
        node
    }

    #[test]
    fn pressure_is_the_cause_for_pods_that_wait_or_were_evicted() {
        let message =
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.";
        let waiting = pod(
            "web",
            json!({"containers": []}),
            json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
        );
        let answer = Recorded::new(&[node("DiskPressure", "True"), waiting]).ask("web");
        assert!(
            answer.contains("cause 1 (certain) [node-pressure] Node n1: it is short of disk"),
            "{answer}"
        );
        assert!(!answer.contains("unschedulable]"), "{answer}");
        let status = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage. "});
        let evicted = pod("web", json!({"nodeName": "n1", "containers": []}), status);
        let answer = Recorded::new(&[node("DiskPressure", "True"), evicted]).ask("web");
        assert!(
            answer.contains("cause 1 (certain) [node-pressure] Node n1") && answer.contains("[evicted]"),
            "{answer}"
        );
    }

    #[test]
    fn a_pod_that_runs_there_is_not_said_to_be_in_trouble() {
        let answer = Recorded::new(&[node("DiskPressure", "True"), running("web")]).ask("web");
        assert!(answer.contains("[node-pressure]") && !answer.contains("affects"), "{answer}");
        for (kind, status) in [("DiskPressure", "False"), ("ContainerRuntimeReady", "True")] {
            let answer = Recorded::new(&[node(kind, status), running("web")]).ask("web");
            assert!(!answer.contains("node-pressure"), "{answer}");
        }
    }
}
