//! A pod that no scheduler has looked at: the one that it names does not run, or it names a node that does not exist.
//!
//! Evidence: a Pending pod without the condition PodScheduled, long after its creation.
//! Not to be taken for: a pod that no node can take (`unschedulable`), a scheduling gate, the first minute.
//! Source: kubernetes/pkg/scheduler/eventhandlers.go, kubernetes/pkg/controller/podgc.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence,
    health::{STARTING, is_gated, statuses},
    placement::volumes,
};

pub(super) const RULE: Rule = Rule { id: "not-scheduled", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let waits = |pod: &&Object| {
        let age = pod.created().map_or(0, |created| facts.now.saturating_sub(created));
        pod.text("/status/phase") == "Pending" && pod.deleted().is_none() && age > STARTING && !is_gated(pod)
    };
    facts.all(Kind::Pod).filter(waits).filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let (node, scheduler) = (pod.text("/spec/nodeName"), pod.text("/spec/schedulerName"));
    let (summary, next) = if !node.is_empty() {
        let is_absent = matches!(facts.find(Kind::Node, "", node), Presence::Absent);
        // A kubelet that took it was there, and a cluster without nodes is one whose nodes are not seen.
        let is_taken = pod.at("/status/startTime").is_some() || statuses(pod).next().is_some();
        if !is_absent || is_taken || facts.all(Kind::Node).next().is_none() {
            return None;
        }
        (
            format!("it is for node {node}, which does not exist"),
            "correct nodeName in the template, or leave it out",
        )
    } else if pod.condition("PodScheduled").is_some()
        || scheduler.is_empty()
        // The scheduler has chosen a node, and waits for a volume there.
        || volumes::is_being_made(facts, pod)
    {
        return None;
    } else if scheduler == "default-scheduler" {
        ("no scheduler has looked at it".to_owned(), "look whether kube-scheduler runs, and at its log")
    } else {
        (
            format!("no scheduler has looked at it: it asks for {scheduler}"),
            "look whether that scheduler runs, or correct schedulerName in the template",
        )
    };
    let label = "Pending without the condition PodScheduled";
    let place = format!("status of {}", pod.reference());
    Some(
        Finding::new(RULE.id, facts.root(pod).reference(), summary)
            .affects(pod.reference())
            .certainty(Certainty::Likely)
            .with(Evidence::fact(label, place))
            .next(next),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, deleted, object, pod},
    };

    fn pending(spec: Value) -> Value {
        pod("web", spec, json!({"phase": "Pending"}))
    }

    #[test]
    fn the_scheduler_or_the_node_that_is_not_there_is_named() {
        for (spec, summary) in [
            (json!({"schedulerName": "volcano"}), "no scheduler has looked at it: it asks for volcano"),
            (json!({"schedulerName": "default-scheduler"}), "no scheduler has looked at it\n"),
            (
                json!({"nodeName": "n9", "schedulerName": "default-scheduler"}),
                "it is for node n9, which does not exist",
            ),
        ] {
            let answer = Recorded::new(&[pending(spec), object("Node", "n1")]).ask("web");
            assert!(
                answer.contains(&format!("cause 1 (likely) [not-scheduled] Pod shop/web: {summary}")),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_pod_that_is_young_or_on_a_node_is_no_fault() {
        let mut young = pending(json!({"schedulerName": "volcano"}));
        young["metadata"]["creationTimestamp"] = "2026-11-24T11:59:30Z".into();
        let placed = pending(json!({"nodeName": "n1", "schedulerName": "default-scheduler"}));
        let mut bound = pending(json!({"schedulerName": "default-scheduler"}));
        bound["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
        let mut claim = object("PersistentVolumeClaim", "data");
        claim["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "n1"});
        claim["status"] = json!({"phase": "Pending"});
        for cluster in [
            Recorded::new(&[young]),
            Recorded::new(&[bound, claim]),
            Recorded::new(&[placed.clone(), object("Node", "n1")]),
            Recorded::new(&[placed]).deny(Kind::Node),
        ] {
            let answer = cluster.ask("web");
            assert!(!answer.contains("not-scheduled"), "{answer}");
        }
    }

    #[test]
    fn a_pod_that_is_deleted_or_has_ended_waits_for_no_scheduler() {
        let mut failed = pending(json!({"schedulerName": "volcano"}));
        failed["status"]["phase"] = "Failed".into();
        let waiting = pending(json!({"schedulerName": "volcano"}));
        Recorded::new(std::slice::from_ref(&waiting)).assert_found(&RULE, "it asks for volcano");
        Recorded::new(&[deleted(waiting)]).assert_found(&RULE, "");
        Recorded::new(&[failed]).assert_found(&RULE, "");
    }
}
