//! A pod that no node can take, for each reason that the scheduler names, joined with the nodes' labels and taints.
//!
//! Evidence: the condition PodScheduled; it stays when the events are gone.
//! Not to be taken for: a claim that is not bound (the claim is the cause), a scheduling gate, the first seconds.
//! Source: kubernetes/pkg/scheduler/framework/plugins.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    object::{list, map, text},
};

pub(super) const RULE: Rule = Rule { id: "unschedulable", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Pod).filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let condition = pod.condition("PodScheduled")?;
    if condition.status != "False" || condition.reason != "Unschedulable" {
        return None;
    }
    let message = condition.message;
    let (summary, facts_of_it) = reason(facts, pod, message);
    let place = format!("PodScheduled of {}", pod.reference());
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::quote("", short(message), place))
        .next("correct what the pod asks for, or add or change a node");
    for fact in facts_of_it {
        finding = finding.with(Evidence::fact(fact, "nodes"));
    }
    // The claim is the cause, and has findings of its own.
    if message.contains("PersistentVolumeClaim") || message.contains("persistentvolumeclaim") {
        finding = finding.symptom().certainty(Certainty::Likely);
    }
    Some(finding)
}

/// Without what the scheduler says of preemption.
fn short(message: &str) -> &str {
    message.split(" preemption:").next().unwrap_or(message)
}

/// The reason in a few words, and what the nodes say of it.
fn reason(facts: &Facts, pod: &Object, message: &str) -> (String, Vec<String>) {
    let has = |part: &str| message.contains(part);
    if has("node affinity/selector") {
        let selector = pod.map("/spec/nodeSelector");
        let wrong = selector.iter().filter(|label| !any_node_has(facts, label));
        let wrong: Vec<&(&str, &str)> = wrong.collect();
        let summary = match wrong.first() {
            Some((key, value)) => format!("no node has the label {key}={value} of its nodeSelector"),
            None => "no node fits its nodeSelector or node affinity".to_owned(),
        };
        return (summary, wrong.iter().map(|(key, _)| values(facts, key)).collect());
    }
    if has("untolerated taint") {
        let taints = facts.all(Kind::Node).flat_map(|node| {
            let taints = node.list("/spec/taints").iter();
            taints.map(move |taint| {
                format!(
                    "{}={}:{} on {}",
                    text(taint, "/key"),
                    text(taint, "/value"),
                    text(taint, "/effect"),
                    node.name()
                )
            })
        });
        return ("it does not tolerate the taints of the nodes".to_owned(), taints.take(3).collect());
    }
    if has("Insufficient") {
        let resource = message
            .split("Insufficient ")
            .nth(1)
            .and_then(|rest| rest.split([',', '.']).next())
            .unwrap_or_default();
        return (
            format!("no node has enough free {resource} for its requests"),
            requests(facts, pod, resource),
        );
    }
    let summary = if has("anti-affinity") {
        "its anti-affinity rules leave no node"
    } else if has("topology spread") {
        "its topology spread constraints leave no node"
    } else if has("free ports") {
        "its host port is taken on every node"
    } else if has("volume node affinity") {
        "its volume is bound to a node or zone that cannot take it"
    } else if has("PersistentVolumeClaim") || has("persistentvolumeclaim") {
        "a claim of it is not bound"
    } else if has("were unschedulable") {
        "the nodes are cordoned"
    } else {
        "no node can take it"
    };
    (summary.to_owned(), Vec::new())
}

fn any_node_has(facts: &Facts, label: &(&str, &str)) -> bool {
    facts.all(Kind::Node).any(|node| node.map("/metadata/labels").contains(label))
}

/// The values of a label on the nodes.
fn values(facts: &Facts, key: &str) -> String {
    let mut values: Vec<&str> = facts
        .all(Kind::Node)
        .flat_map(|node| node.map("/metadata/labels"))
        .filter(|(other, _)| *other == key)
        .map(|(_, value)| value)
        .collect();
    values.sort_unstable();
    values.dedup();
    match values.as_slice() {
        [] => format!("no node has a label {key}"),
        values => format!("values of {key} on the nodes: {}", values.join(", ")),
    }
}

/// The request of each container, and what each node has in all.
fn requests(facts: &Facts, pod: &Object, resource: &str) -> Vec<String> {
    let of = |container: &serde_json::Value| {
        let requests = map(container.pointer("/resources/requests"));
        requests.into_iter().find(|(key, _)| *key == resource).map(|(_, value)| value.to_owned())
    };
    let asked: Vec<String> = list(pod.at("/spec").unwrap_or(&serde_json::Value::Null), "/containers")
        .iter()
        .filter_map(of)
        .collect();
    let nodes = facts.all(Kind::Node).filter_map(|node| {
        let allocatable = node.map("/status/allocatable").into_iter().find(|(key, _)| *key == resource)?;
        Some(format!("{} has {}", node.name(), allocatable.1))
    });
    let nodes: Vec<String> = nodes.take(3).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    vec![format!("it requests {resource} {}; allocatable: {}", asked.join(" + "), nodes.join(", "))]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, pod};

    fn cluster(spec: Value, message: &str) -> Recorded {
        let mut node = object("Node", "n1");
        node["metadata"]["labels"] = json!({"disktype": "hdd"});
        node["status"] =
            json!({"allocatable": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]});
        let status = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
        Recorded::new(&[node, pod("job", spec, status)])
    }

    #[test]
    fn what_no_node_has_is_named() {
        let message =
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: none.";
        let answer =
            cluster(json!({"containers": [], "nodeSelector": {"disktype": "ssd"}}), message).ask("job");
        assert!(
            answer.contains("[unschedulable] Pod shop/job: no node has the label disktype=ssd"),
            "{answer}"
        );
        assert!(answer.contains("values of disktype on the nodes: hdd"), "{answer}");
        assert!(!answer.contains("preemption"), "{answer}");
        let container = json!({"name": "a", "resources": {"requests": {"cpu": "8"}}});
        let answer =
            cluster(json!({"containers": [container]}), "0/1 nodes are available: 1 Insufficient cpu.")
                .ask("job");
        assert!(answer.contains("it requests cpu 8; allocatable: n1 has 4"), "{answer}");
    }

    #[test]
    fn a_gate_is_no_fault() {
        let gated = pod(
            "job",
            json!({}),
            json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "x"}]}),
        );
        let answer = Recorded::new(&[gated]).ask("job");
        assert!(!answer.contains("unschedulable"), "{answer}");
    }
}
