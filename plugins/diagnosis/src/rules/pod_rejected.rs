//! A pod that failed as a whole, without a container's fault: its kubelet refused it, or it was removed for others.
//!
//! Evidence: phase Failed and its reason, or the condition DisruptionTarget; both stay as long as the pod.
//! Not to be taken for: leftovers of a workload that has all its pods; an eviction (`evicted`); a Job's deadline.
//! Source: kubernetes/pkg/kubelet/lifecycle/predicate.go, kubernetes/pkg/apis/core/types.go (DisruptionTarget).

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    aftermath::{Aftermath, aftermath, newest},
    health::statuses,
};

pub(super) const RULE: Rule = Rule { id: "pod-rejected", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let failed = |pod: &&Object| pod.text("/status/phase") == "Failed" && pod.deleted().is_none();
    let failed = newest(facts, facts.all(Kind::Pod).filter(failed));
    failed.into_iter().filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let node = pod.text("/spec/nodeName");
    let disruption = pod.condition("DisruptionTarget").filter(|condition| condition.status == "True");
    let (reason, message) = match (pod.text("/status/reason"), disruption) {
        ("Evicted", _) | ("", None) => return None,
        ("", Some(condition)) => (condition.reason, condition.message),
        (reason, _) => (reason, pod.text("/status/message")),
    };
    let (summary, next) = match cause(reason, node) {
        Some(cause) => cause,
        // A reason that is not known is one of the kubelet's only if no container ever was.
        None if statuses(pod).next().is_none() && !node.is_empty() => (
            format!("the kubelet of node {node} refused it: {reason}"),
            "correct the template, or let it go to another node",
        ),
        None => return None,
    };
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::quote(reason, message, format!("status of {}", pod.reference())))
        .next(next);
    match aftermath(facts, pod) {
        Aftermath::Open => Some(finding),
        // Kubernetes tried anew: only what it met then matters.
        Aftermath::Replaced | Aftermath::Over => None,
    }
}

fn cause(reason: &str, node: &str) -> Option<(String, &'static str)> {
    if let Some(resource) = reason.strip_prefix("OutOf") {
        return Some((
            format!("node {node} had too little free {resource} for it when it came"),
            "make the pod anew without nodeName, so that the scheduler looks for room: nodes_top shows it",
        ));
    }
    Some(match reason {
        "NodeAffinity" => (
            format!("the labels of node {node} do not fit its node selector or affinity any more"),
            "correct the labels of the node, or the selector of the template",
        ),
        "NodePorts" => {
            (format!("its host port is taken on node {node}"), "use another host port, or another node")
        }
        "UnexpectedAdmissionError" => (
            format!("node {node} could not give it a device or resource"),
            "look at the device plugin of the node",
        ),
        "TopologyAffinityError" => (
            format!("node {node} cannot align its resources to one NUMA node"),
            "ask for less, or use a node with another topology policy",
        ),
        "Preempting" | "PreemptionByScheduler" => {
            ("it made way for a pod of higher priority".to_owned(), "give it a PriorityClass, or add nodes")
        }
        "DeletionByTaintManager" => (
            format!("it does not tolerate a NoExecute taint that node {node} got"),
            "see what tainted the node: nodes_get",
        ),
        "Terminated" | "NodeShutdown" | "Shutdown" => {
            (format!("node {node} shut down"), "look why the node went away: nodes_get")
        }
        "DeletionByPodGC" | "NodeLost" => {
            (format!("its node {node} is gone"), "look why the node went away: nodes_list")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, deleted, object, pod};

    fn failed(status: Value) -> Value {
        let mut status = status;
        status["phase"] = "Failed".into();
        pod("once", json!({"nodeName": "n1", "containers": [{"name": "app"}]}), status)
    }

    #[test]
    fn each_reason_is_said_in_words() {
        for (reason, message, cause) in [
            (
                "OutOfcpu",
                "Pod was rejected: Node didn't have enough resource: cpu, requested: 4000, used: 3500, capacity: 4000",
                "node n1 had too little free cpu for it",
            ),
            (
                "NodeAffinity",
                "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
                "the labels of node n1 do not fit",
            ),
            (
                "UnexpectedAdmissionError",
                "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu, which is unexpected",
                "node n1 could not give it a device",
            ),
            ("Terminated", "Pod was terminated in response to imminent node shutdown.", "node n1 shut down"),
            (
                "SysctlForbidden",
                "forbidden sysctl: \"kernel.msgmax\" not allowlisted",
                "the kubelet of node n1 refused it: SysctlForbidden",
            ),
        ] {
            let answer = Recorded::new(&[failed(json!({"reason": reason, "message": message}))]).ask("once");
            assert!(
                answer.contains(&format!("cause 1 (certain) [pod-rejected] Pod shop/once: {cause}")),
                "{answer}"
            );
            assert!(answer.contains(message), "{answer}");
        }
        let condition = json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "default-scheduler: preempting to accommodate a higher priority pod"}]);
        let answer = Recorded::new(&[failed(json!({"conditions": condition}))]).ask("once");
        assert!(answer.contains("it made way for a pod of higher priority"), "{answer}");
    }

    #[test]
    fn what_was_tried_again_or_failed_by_itself_is_none() {
        let mut job = object("Job", "once");
        job["spec"] = json!({"completions": 1});
        job["status"] =
            json!({"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1, "failed": 1});
        let mut leftover = failed(json!({"reason": "OutOfcpu"}));
        leftover["metadata"]["ownerReferences"] =
            json!([{"kind": "Job", "name": "once", "controller": true}]);
        let crashed =
            failed(json!({"containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 1}}}]}));
        for objects in [vec![job, leftover], vec![crashed]] {
            let answer = Recorded::new(&objects).ask("once");
            assert!(!answer.contains("pod-rejected"), "{answer}");
        }
    }

    #[test]
    fn a_pod_that_was_removed_with_its_node_is_told() {
        for (reason, words) in [
            (
                "DeletionByTaintManager",
                "Pod shop/once: it does not tolerate a NoExecute taint that node n1 got",
            ),
            ("DeletionByPodGC", "Pod shop/once: its node n1 is gone"),
            ("Other", ""),
        ] {
            let condition = json!([{"type": "DisruptionTarget", "status": "True", "reason": reason}]);
            let statuses = json!([{"name": "app"}]);
            let pod = failed(json!({"conditions": condition, "containerStatuses": statuses}));
            Recorded::new(&[pod]).assert_found(&RULE, words);
        }
        Recorded::new(&[failed(json!({"reason": "NodeLost"}))]).assert_found(&RULE, "its node n1 is gone");
    }

    #[test]
    fn a_pod_that_runs_or_is_deleted_was_not_rejected() {
        let refused = failed(json!({"reason": "OutOfcpu"}));
        let mut runs = refused.clone();
        runs["status"]["phase"] = "Running".into();
        Recorded::new(std::slice::from_ref(&refused)).assert_found(&RULE, "too little free cpu");
        Recorded::new(&[runs]).assert_found(&RULE, "");
        Recorded::new(&[deleted(refused)]).assert_found(&RULE, "");
    }
}
