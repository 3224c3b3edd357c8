//! A volume that cannot be attached to a pod's node, most often because another node still holds it.
//!
//! Evidence: the event FailedAttachVolume; without it, a claim for one node that a pod of another node uses.
//! Not to be taken for: a volume that is attached and cannot be mounted, claims for many nodes, a second pod on the same node.
//! Source: kubernetes/pkg/controller/volume/attachdetach/reconciler.

use super::Rule;
use crate::{
    Certainty, Event, Evidence, Facts, Finding, Kind, Object,
    containers::{judged_pods, seconds_on_node},
    creation,
    health::STARTING,
    needs,
    object::text,
};

pub(super) const RULE: Rule = Rule { id: "volume-attach", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).filter_map(|pod| of_event(facts, pod).or_else(|| of_state(facts, pod))).collect()
}

fn of_event(facts: &Facts, pod: &Object) -> Option<Finding> {
    let event: Event<'_> = creation::events(facts, pod, &["FailedAttachVolume"]).into_iter().next()?;
    let message = event.message();
    let claim =
        claims(facts, pod).find(|claim| claim.text("/spec/volumeName") == creation::volume_in(message));
    let object = claim.map_or_else(|| facts.root(pod).reference(), Object::reference);
    let is_held = message.contains("Multi-Attach");
    let (summary, next) = if is_held {
        ("its volume is still attached to another node, and can be attached to one only", held_next())
    } else {
        (
            "its volume cannot be attached to the node",
            "read the storage driver's words; see whether the disk exists in the node's zone and how many the node may have",
        )
    };
    let mut finding = Finding::new(RULE.id, object, summary)
        .affects(pod.reference())
        .affects(facts.root(pod).reference())
        .with(Evidence::quote("", message, event.place(facts.now)))
        .next(next);
    if is_held && let Some(claim) = claim {
        finding = holders(facts, pod, claim).into_iter().fold(finding, Finding::with);
    }
    Some(finding)
}

fn held_next() -> &'static str {
    "end the pod that holds it first: strategy Recreate for a Deployment with such a volume; if that pod is Terminating on a node that is gone, mend the node"
}

/// Pods on other nodes that use the claim.
fn holders(facts: &Facts, pod: &Object, claim: &Object) -> Vec<Evidence> {
    let holders = facts.within(Kind::Pod, claim.namespace()).filter(|other| {
        let node = other.text("/spec/nodeName");
        !node.is_empty()
            && node != pod.text("/spec/nodeName")
            && !matches!(other.text("/status/phase"), "Succeeded" | "Failed")
            && needs::needs(other).iter().any(|need| need.object == claim.reference())
    });
    holders
        .take(2)
        .map(|other| {
            let state = if other.deleted().is_some() { ", being deleted" } else { "" };
            let node = other.text("/spec/nodeName");
            Evidence::fact(
                format!(
                    "{} on node {node}{state} uses it; this pod is on {}",
                    other.reference(),
                    pod.text("/spec/nodeName")
                ),
                "spec.nodeName",
            )
        })
        .collect()
}

/// A claim for a single node that another node's pod uses, if the pod waits for so long that events may be gone.
fn of_state(facts: &Facts, pod: &Object) -> Option<Finding> {
    if !creation::is_waiting(pod)
        || seconds_on_node(facts, pod) <= STARTING
        || !creation::events(facts, pod, &["FailedMount"]).is_empty()
    {
        return None;
    }
    claims(facts, pod).find_map(|claim| {
        let modes = claim.list("/spec/accessModes");
        let is_for_one = !modes.is_empty()
            && modes.iter().all(|mode| matches!(text(mode, ""), "ReadWriteOnce" | "ReadWriteOncePod"));
        let holders = if is_for_one { holders(facts, pod, claim) } else { Vec::new() };
        if holders.is_empty() {
            return None;
        }
        let finding = Finding::new(
            RULE.id,
            claim.reference(),
            "a pod on another node uses its volume, which one node can have at a time",
        )
        .affects(pod.reference())
        .affects(facts.root(pod).reference())
        .certainty(Certainty::Likely)
        .next(held_next());
        Some(holders.into_iter().fold(finding, Finding::with))
    })
}

/// The claims of a pod that were read.
fn claims<'f>(facts: &'f Facts, pod: &'f Object) -> impl Iterator<Item = &'f Object> {
    let claims = needs::needs(pod).into_iter().filter(|need| need.object.kind == Kind::PersistentVolumeClaim);
    claims.filter_map(|need| facts.get(&need.object))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, object, pod};

    fn cluster(mode: &str, node: &str) -> Vec<Value> {
        let mut claim = object("PersistentVolumeClaim", "data");
        claim["spec"] = json!({"volumeName": "pvc-77", "accessModes": [mode]});
        claim["status"] = json!({"phase": "Bound"});
        let spec = |node: &str| {
            json!({"nodeName": node, "containers": [{"name": "db"}],
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]})
        };
        let new = pod(
            "db-new",
            spec("n2"),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z",
            "containerStatuses": [{"name": "db", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        );
        let old = pod(
            "db-old",
            spec(node),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
        );
        vec![new, old, claim]
    }

    #[test]
    fn the_pod_that_holds_the_volume_is_named() {
        let mut objects = cluster("ReadWriteOnce", "n1");
        let message = "Multi-Attach error for volume \"pvc-77\" Volume is already used by pod(s) db-old";
        objects.push(event(&objects[0], "FailedAttachVolume", message));
        let answer = Recorded::new(&objects).ask("db-new");
        assert!(answer.contains("cause 1 (certain) [volume-attach] PersistentVolumeClaim shop/data: its volume is still attached to another node"), "{answer}");
        assert!(answer.contains("Pod shop/db-old on node n1 uses it; this pod is on n2"), "{answer}");
        objects.pop();
        let answer = Recorded::new(&objects).ask("db-new");
        assert!(
            answer.contains("cause 1 (likely) [volume-attach] PersistentVolumeClaim shop/data"),
            "{answer}"
        );
    }

    #[test]
    fn claims_for_many_nodes_and_pods_of_one_node_are_no_fault() {
        for (mode, node) in [("ReadWriteMany", "n1"), ("ReadWriteOnce", "n2")] {
            let answer = Recorded::new(&cluster(mode, node)).ask("db-new");
            assert!(!answer.contains("volume-attach"), "{answer}");
        }
    }

    #[test]
    fn only_a_live_pod_that_uses_the_claim_holds_its_volume() {
        let held = "PersistentVolumeClaim shop/data: a pod on another node uses its volume";
        let with = |mode: &str, phase: &str, claim: &str| {
            let mut objects = cluster(mode, "n1");
            objects[1]["status"]["phase"] = phase.into();
            objects[1]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim.into();
            Recorded::new(&objects)
        };
        for (mode, phase, claim, words) in [
            ("ReadWriteOnce", "Running", "data", held),
            ("ReadWriteOncePod", "Running", "data", held),
            ("ReadWriteOnce", "Succeeded", "data", ""),
            ("ReadWriteOnce", "Failed", "data", ""),
            ("ReadWriteOnce", "Running", "other", ""),
        ] {
            with(mode, phase, claim).assert_found(&RULE, words);
        }
        let answer = with("ReadWriteOnce", "Running", "data").ask("db-new");
        assert!(answer.contains("next: end the pod that holds it first"), "{answer}");
    }
}
