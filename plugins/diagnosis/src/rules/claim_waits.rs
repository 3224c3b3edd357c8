//! A claim whose class waits for its first consumer, and a consumer that the scheduler never places: a pod with a
//! `nodeName` of its own passes the scheduler by, and no volume is ever made.
//!
//! Evidence: the class, the claim without a chosen node, and the pod.
//! Not to be taken for: a claim that no pod uses (meant so), or one whose pod waits for a node (`unschedulable`).
//! Source: kubernetes.io/docs/concepts/storage/storage-classes, volume binding mode.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    health::{STARTING, binds_late},
    placement::{trouble, volumes},
};

pub(super) const RULE: Rule = Rule { id: "claim-waits-for-consumer", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let waits = |claim: &&Object| {
        let has_node =
            claim.map("/metadata/annotations").iter().any(|(key, _)| key.ends_with("/selected-node"));
        claim.text("/status/phase") == "Pending" && !has_node && binds_late(facts, claim)
    };
    facts.all(Kind::PersistentVolumeClaim).filter(waits).filter_map(|claim| of_claim(facts, claim)).collect()
}

fn of_claim(facts: &Facts, claim: &Object) -> Option<Finding> {
    let passes_by = |pod: &&Object| {
        let age = pod.created().map_or(0, |created| facts.now.saturating_sub(created));
        pod.text("/status/phase") == "Pending" && !pod.text("/spec/nodeName").is_empty() && age > STARTING
    };
    let pods: Vec<&Object> = volumes::users(facts, claim).into_iter().filter(passes_by).collect();
    let first = pods.first()?;
    let summary = "its class waits for a pod that the scheduler places, but its pod has a nodeName of its own, so that no volume is made";
    let fact = format!("nodeName {} of {}", first.text("/spec/nodeName"), first.reference());
    let finding = Finding::new(RULE.id, claim.reference(), summary)
        .certainty(Certainty::Likely)
        .with(Evidence::fact(fact, "spec.nodeName"))
        .next("use a nodeSelector with kubernetes.io/hostname in place of nodeName");
    Some(trouble::with(facts, pods.into_iter(), finding))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, object, pod};

    fn cluster(spec: Value, status: Value) -> Recorded {
        let mut claim = object("PersistentVolumeClaim", "data");
        claim["spec"] = json!({"storageClassName": "local"});
        claim["status"] = json!({"phase": "Pending"});
        let mut class = object("StorageClass", "local");
        class["volumeBindingMode"] = "WaitForFirstConsumer".into();
        let mut spec = spec;
        spec["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
        Recorded::new(&[claim, class, pod("db", spec, status)])
    }

    #[test]
    fn a_pod_that_passes_the_scheduler_by_is_the_reason() {
        let answer =
            cluster(json!({"nodeName": "n1", "containers": []}), json!({"phase": "Pending"})).ask("db");
        assert!(answer.contains("(likely) [claim-waits-for-consumer] PersistentVolumeClaim shop/data: its class waits for a pod that the scheduler places"), "{answer}");
    }

    #[test]
    fn a_pod_that_waits_for_a_node_is_the_cause_of_its_claim() {
        let message = "0/1 nodes are available: 1 Insufficient cpu.";
        let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        let status = json!({"phase": "Pending", "conditions": condition});
        for name in ["data", "db"] {
            let answer = cluster(json!({"containers": []}), status.clone()).ask(name);
            assert!(
                answer.contains("cause 1 (certain) [unschedulable] Pod shop/db")
                    && !answer.contains("[claim"),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_claim_that_waits_for_no_pod_is_no_fault() {
        let placed = cluster(json!({"nodeName": "n1", "containers": []}), json!({"phase": "Pending"}));
        placed.assert_found(&RULE, "its pod has a nodeName of its own");
        let (mut selected, mut bound, mut immediate) = (placed.clone(), placed.clone(), placed);
        selected.objects[0]["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "n1"});
        bound.objects[0]["status"]["phase"] = "Bound".into();
        immediate.objects[1]["volumeBindingMode"] = "Immediate".into();
        for cluster in [selected, bound, immediate] {
            cluster.assert_found(&RULE, "");
        }
    }
}
