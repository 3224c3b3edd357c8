//! A node that is not ready: its kubelet is silent, or reports that its network plugin or runtime does not work.
//!
//! Evidence: the condition Ready of the node.
//! Not to be taken for: a node that has just joined, conditions of other programs, a cordon.
//! Source: kubernetes/pkg/controller/nodelifecycle, kubernetes/pkg/kubelet/nodestatus/setters.go.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    health::STARTING,
    placement::trouble::{waiting, with, with_pods_on},
    time,
};

pub(super) const RULE: Rule = Rule { id: "node-not-ready", find };

/// The scheduler's words on nodes that are not ready; from Kubernetes 1.35 on it names no taint.
const TAINTS: [&str; 4] = [
    "{node.kubernetes.io/not-ready",
    "{node.kubernetes.io/unreachable",
    "{node.kubernetes.io/network-unavailable",
    "untolerated taint(s)",
];

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Node).filter_map(|node| of_node(facts, node)).collect()
}

fn of_node(facts: &Facts, node: &Object) -> Option<Finding> {
    let ready = node.condition("Ready").filter(|ready| ready.status != "True");
    let network = node.condition("NetworkUnavailable").filter(|network| network.status == "True");
    let condition = ready.or(network)?;
    let age = node.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    if age < STARTING {
        return None;
    }
    let (summary, next) = match condition.status {
        _ if ready.is_none() => {
            ("its network has no route yet", "look at the network plugin or cloud controller".to_owned())
        }
        "Unknown" => (
            "its kubelet reports nothing any more: the machine, its network or the kubelet is down",
            format!("look at the machine; if it answers, nodes_log of {} for the kubelet", node.name()),
        ),
        _ => cause(condition.message, node.name()),
    };
    let since =
        condition.since.map(|since| format!(", since {}", time::age(facts.now.saturating_sub(since))));
    let place = format!("condition {} {}{}", condition.status, condition.reason, since.unwrap_or_default());
    let finding = Finding::new(RULE.id, node.reference(), summary)
        .with(Evidence::quote("", condition.message, place))
        .next(next);
    let pods = waiting(facts, &TAINTS, node);
    Some(with(facts, pods, with_pods_on(facts, node, finding)))
}

/// The meaning of a kubelet's words.
fn cause(message: &str, node: &str) -> (&'static str, String) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    let kubelet = format!("read the kubelet's log: nodes_log of {node}");
    if has(&["NetworkPluginNotReady", "cni plugin not initialized", "CNI"]) {
        (
            "its network plugin (CNI) does not work",
            "look at the pods of the network plugin on that node: pods_list with fieldSelector spec.nodeName"
                .to_owned(),
        )
    } else if has(&["PLEG is not healthy", "container runtime is down", "container runtime status check"]) {
        ("its container runtime does not answer", kubelet)
    } else if has(&["being shutdown", "shutting down", "shut down"]) {
        ("it shuts down", "see whether that is meant: maintenance, a spot instance".to_owned())
    } else {
        ("its kubelet reports that it is not ready", kubelet)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, object, pod, running},
    };

    fn node(status: &str, reason: &str, message: &str) -> Value {
        let mut node = object("Node", "n1");
        node["status"] = json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-24T11:48:00Z"}]});
        node
    }

    #[test]
    fn a_silent_or_unwell_node_is_the_cause_for_its_pods() {
        for (status, reason, message, cause) in [
            (
                "Unknown",
                "NodeStatusUnknown",
                "Kubelet stopped posting node status.",
                "its kubelet reports nothing any more",
            ),
            (
                "False",
                "KubeletNotReady",
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
                "its network plugin (CNI) does not work",
            ),
            (
                "False",
                "KubeletNotReady",
                "[container runtime is down, PLEG is not healthy: pleg was last seen active 5m0s ago]",
                "its container runtime does not answer",
            ),
        ] {
            let mut pod = running("web");
            pod["status"]["conditions"][0]["status"] = "False".into();
            let answer = Recorded::new(&[node(status, reason, message), pod]).ask("web");
            assert!(
                answer.contains(&format!("cause 1 (certain) [node-not-ready] Node n1: {cause}")),
                "{answer}"
            );
            assert!(answer.contains("(affects 1 Pod)") && answer.contains("since 12m"), "{answer}");
        }
    }

    #[test]
    fn a_pod_that_waits_for_such_a_node_is_affected_only_if_it_could_run_there() {
        let waiting = |spec: Value| {
            let message = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
            pod(
                "job",
                spec,
                json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
            )
        };
        let mut silent = node("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.");
        silent["spec"] =
            json!({"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]});
        let answer = Recorded::new(&[silent.clone(), waiting(json!({}))]).ask("job");
        assert!(answer.contains("cause 1 (certain) [node-not-ready] Node n1"), "{answer}");
        assert!(!answer.contains("cause 2"), "{answer}");
        let answer = Recorded::new(&[silent, waiting(json!({"nodeSelector": {"disk": "ssd"}}))]).ask("job");
        assert!(!answer.contains("node-not-ready"), "{answer}");
    }

    #[test]
    fn a_node_that_is_ready_young_or_not_known_is_no_fault() {
        let mut young = node("False", "KubeletNotReady", "x");
        young["metadata"]["creationTimestamp"] = "2026-11-24T11:59:30Z".into();
        let custom = {
            let mut node = node("True", "KubeletReady", "");
            let ready = node["status"]["conditions"][0].clone();
            node["status"]["conditions"] =
                json!([ready, {"type": "ContainerRuntimeReady", "status": "False"}]);
            node
        };
        for cluster in [
            Recorded::new(&[young, running("web")]),
            Recorded::new(&[custom, running("web")]),
            Recorded::new(&[node("Unknown", "", ""), running("web")]).deny(Kind::Node),
        ] {
            let answer = cluster.ask("web");
            assert!(!answer.contains("node-not-ready"), "{answer}");
        }
    }
}
