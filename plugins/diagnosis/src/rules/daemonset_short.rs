//! A DaemonSet that lacks ready pods on nodes that it is meant for, or that is meant for no node at all.
//!
//! Evidence: the counts of its status, which leave out nodes that its selector and taints exclude; the join with nodes.
//! Not to be taken for: a DaemonSet that is absent on tainted nodes, pods that just start.
//! Source: kubernetes/pkg/controller/daemon/daemon_controller.go.

use std::collections::BTreeSet;

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, health};

pub(super) const RULE: Rule = Rule { id: "daemonset-short", find };

/// Nodes that are named.
const NODES: usize = 3;

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::DaemonSet).filter_map(|set| of(facts, set)).collect()
}

fn of(facts: &Facts, set: &Object) -> Option<Finding> {
    let desired = set.number("/status/desiredNumberScheduled")?;
    let number = |pointer: &str| set.number(pointer).unwrap_or(0);
    let (scheduled, ready) = (number("/status/currentNumberScheduled"), number("/status/numberReady"));
    let age = set.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    if set.deleted().is_some() || age < health::STARTING {
        return None;
    }
    if desired == 0 {
        return no_node(facts, set);
    }
    let pods = facts.pods_of(set);
    let is_late = |pod: &&&Object| {
        let age = pod.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
        !health::is_ready(pod) && age >= health::STARTING
    };
    let late: Vec<&Object> = pods.iter().filter(is_late).copied().collect();
    if scheduled >= desired && (ready >= desired || late.is_empty()) {
        return None;
    }
    let summary = format!("{ready} of the {desired} nodes that it is meant for have a ready pod of it");
    let counts = format!("desired {desired}, scheduled {scheduled}, ready {ready}");
    let mut finding = Finding::new(RULE.id, set.reference(), summary)
        .with(Evidence::fact(counts, format!("status of {}", set.reference())))
        .next("look at the nodes and the pods of it that are not ready")
        .symptom();
    let on = |pod: &&Object| pod.text("/spec/nodeName").to_owned();
    if !late.is_empty() {
        let nodes: BTreeSet<String> = late.iter().map(on).filter(|node| !node.is_empty()).collect();
        finding = finding.with(Evidence::fact(format!("not ready on {}", names(&nodes)), "its pods"));
    }
    let taken: BTreeSet<String> = pods.iter().map(on).collect();
    let free = facts.all(Kind::Node).map(|node| node.name().to_owned());
    let free: BTreeSet<String> = free.filter(|node| !taken.contains(node)).collect();
    // Nodes that it is not meant for are without a pod, too.
    if scheduled < desired
        && i64::try_from(free.len()).is_ok_and(|free| free == desired.saturating_sub(scheduled))
    {
        finding =
            finding.with(Evidence::fact(format!("no pod on {}", names(&free)), "its pods and the nodes"));
    }
    if let Some(event) = facts.events(set).into_iter().find(|event| event.reason().starts_with("Failed")) {
        finding = finding.with(Evidence::quote("", event.message(), format!("event {}", event.reason())));
    }
    Some(late.into_iter().fold(finding, |finding, pod| finding.affects(pod.reference())))
}

/// A DaemonSet whose nodeSelector no node fits. Affinity and taints are left alone: they often exclude on purpose.
fn no_node(facts: &Facts, set: &Object) -> Option<Finding> {
    let selector = set.map("/spec/template/spec/nodeSelector");
    let missing = |label: &&(&str, &str)| {
        !facts.all(Kind::Node).any(|node| node.map("/metadata/labels").contains(label))
    };
    let (key, value) = selector.iter().find(missing).filter(|_| facts.is_listed(Kind::Node, ""))?;
    let summary = format!("it is meant for no node: no node has the label {key}={value} of its nodeSelector");
    let values = facts.all(Kind::Node).flat_map(|node| node.map("/metadata/labels"));
    let values: BTreeSet<String> =
        values.filter(|(other, _)| other == key).map(|(_, value)| value.to_owned()).collect();
    let there = if values.is_empty() {
        format!("no node has a label {key}")
    } else {
        format!("values of {key} on the nodes: {}", names(&values))
    };
    Some(
        Finding::new(RULE.id, set.reference(), summary)
            .with(Evidence::fact("desired 0", format!("status of {}", set.reference())))
            .with(Evidence::fact(there, "labels of the nodes"))
            .next("correct the nodeSelector, or label the nodes, if it is to run")
            .symptom(),
    )
}

fn names(nodes: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = nodes.iter().map(String::as_str).take(NODES).collect();
    let more = nodes.len().saturating_sub(NODES);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, deleted, object, owned, running, with, young};

    fn cluster(desired: i64, scheduled: i64, ready: i64) -> Vec<Value> {
        let spec = json!({"template": {"spec": {"nodeSelector": {"role": "edge"}, "containers": []}}});
        let status = json!({"desiredNumberScheduled": desired, "currentNumberScheduled": scheduled, "numberReady": ready, "numberMisscheduled": 0});
        let set = with("DaemonSet", "agent", spec, status);
        let mut nodes = vec![object("Node", "n1"), object("Node", "n2")];
        for node in &mut nodes {
            node["metadata"]["labels"] = json!({"role": "core"});
        }
        nodes.extend([owned(running("agent-x"), &set), set]);
        nodes
    }

    #[test]
    fn the_node_without_a_pod_is_named() {
        let answer = Recorded::new(&cluster(2, 1, 1)).ask("agent");
        assert!(answer.contains("[daemonset-short] DaemonSet shop/agent: 1 of the 2 nodes"), "{answer}");
        assert!(answer.contains("no pod on n2"), "{answer}");
        let answer = Recorded::new(&cluster(0, 0, 0)).ask("agent");
        assert!(answer.contains("no node has the label role=edge"), "{answer}");
        assert!(answer.contains("values of role on the nodes: core"), "{answer}");
    }

    #[test]
    fn nodes_that_it_is_not_meant_for_are_no_fault() {
        let answer = Recorded::new(&cluster(1, 1, 1)).ask("agent");
        assert!(!answer.contains("daemonset-short"), "{answer}");
        let answer = Recorded::new(&cluster(0, 0, 0)).deny(crate::Kind::Node).ask("agent");
        assert!(!answer.contains("daemonset-short"), "{answer}");
    }

    /// Two nodes, and a pod on each, of which the second is not ready.
    fn unready(desired: i64, scheduled: i64) -> Vec<Value> {
        let mut objects = cluster(desired, scheduled, 1);
        let mut pod = objects[2].clone();
        pod["metadata"]["name"] = "agent-2".into();
        pod["spec"]["nodeName"] = "n2".into();
        pod["status"]["conditions"][0]["status"] = "False".into();
        objects.insert(0, pod);
        objects
    }

    #[test]
    fn the_nodes_of_pods_that_are_not_ready_are_named_and_no_others() {
        let answer = Recorded::new(&unready(2, 2)).ask_for("agent", "shop", "daemonset");
        assert!(answer.contains("[daemonset-short]") && answer.contains("not ready on n2 ["), "{answer}");
        assert!(!answer.contains("no pod on"), "{answer}");
        let mut more = cluster(2, 1, 1);
        more.push(object("Node", "n3"));
        let answer = Recorded::new(&more).ask_for("agent", "shop", "daemonset");
        assert!(answer.contains("[daemonset-short]") && !answer.contains("no pod on"), "{answer}");
        assert!(!answer.contains("not ready on"), "{answer}");
    }

    #[test]
    fn a_set_or_pod_that_is_young_or_deleted_is_no_fault() {
        let at = |at: usize, change: fn(Value) -> Value| {
            let mut objects = unready(2, 2);
            objects[at] = change(objects[at].clone());
            Recorded::new(&objects)
        };
        at(0, |pod| pod).assert_found(&RULE, "1 of the 2 nodes");
        at(0, young).assert_found(&RULE, "");
        at(4, young).assert_found(&RULE, "");
        at(4, deleted).assert_found(&RULE, "");
    }
}
