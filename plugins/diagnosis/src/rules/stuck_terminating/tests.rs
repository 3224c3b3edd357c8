use serde_json::{Value, json};

use super::RULE;
use crate::{
    Kind,
    recorded::{Recorded, object, running},
};

fn deleted(mut object: Value, at: &str, finalizers: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = at.into();
    object["metadata"]["finalizers"] = finalizers;
    object
}

fn node(ready: &str) -> Value {
    let mut node = object("Node", "n1");
    node["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
    node
}

const LATE: &str = "2026-11-24T11:30:00Z";

#[test]
fn a_finalizer_or_a_silent_node_keeps_a_pod() {
    let pod = deleted(running("web"), LATE, json!(["example.com/drain"]));
    let answer = Recorded::new(&[pod, node("True")]).ask("web");
    assert!(answer.contains("cause 1 (certain) [stuck-terminating] Pod shop/web: it cannot be deleted: its finalizer example.com/drain is not removed"), "{answer}");
    let pod = deleted(running("web"), LATE, json!([]));
    let answer = Recorded::new(&[pod.clone(), node("Unknown")]).ask("web");
    assert!(
        answer.contains("cause 1 (certain) [node-not-ready] Node n1") && !answer.contains("cause 2"),
        "{answer}"
    );
    let answer = Recorded::new(&[pod.clone(), object("Node", "n2")]).ask("web");
    assert!(answer.contains("(likely) [stuck-terminating] Node n1: it does not exist any more"), "{answer}");
    let answer = Recorded::new(&[pod]).deny(Kind::Node).ask("web");
    assert!(
        answer.contains("(likely) [stuck-terminating] Pod shop/web: a deleted pod is not gone"),
        "{answer}"
    );
}

#[test]
fn a_claim_names_its_users() {
    let claim =
        deleted(object("PersistentVolumeClaim", "data"), LATE, json!(["kubernetes.io/pvc-protection"]));
    let mut user = running("db-0");
    user["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    let answer = Recorded::new(&[claim, user]).ask("data");
    assert!(answer.contains("[stuck-terminating] PersistentVolumeClaim shop/data: its deletion waits, because Pod shop/db-0 still uses it"), "{answer}");
}

#[test]
fn a_grace_period_that_is_not_over_is_no_fault() {
    let pod = deleted(running("web"), "2026-11-24T12:00:25Z", json!([]));
    let answer = Recorded::new(&[pod, node("True")]).ask("web");
    assert!(!answer.contains("stuck-terminating"), "{answer}");
}

#[test]
fn what_keeps_an_object_is_told_by_its_finalizers() {
    let late = |kind: &str, finalizers: Value| deleted(object(kind, "data"), LATE, finalizers);
    let volume = |finalizer: &str, phase: &str| {
        let mut volume = late("PersistentVolume", json!([finalizer]));
        volume["spec"] = json!({"claimRef": {"namespace": "shop", "name": "logs"}});
        volume["status"] = json!({"phase": phase});
        volume
    };
    let user = |phase: &str| {
        let mut user = running("db-0");
        user["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
        user["status"]["phase"] = phase.into();
        user
    };
    let (claims, volumes, foreign) =
        ("kubernetes.io/pvc-protection", "kubernetes.io/pv-protection", "acme.io/keep");
    let kept = |name: &str| format!("its finalizer {name} is not removed");
    for (objects, words) in [
        (vec![volume(volumes, "Bound")], "it is bound to claim shop/logs".to_owned()),
        (vec![volume(volumes, "Released")], kept(volumes)),
        (vec![volume(foreign, "Bound")], kept(foreign)),
        (vec![late("PersistentVolumeClaim", json!([claims])), user("Running")], "still uses it".to_owned()),
        (vec![late("PersistentVolumeClaim", json!([claims])), user("Succeeded")], kept(claims)),
        (vec![late("PersistentVolumeClaim", json!([claims])), user("Failed")], kept(claims)),
        (vec![late("PersistentVolumeClaim", json!([foreign])), user("Running")], kept(foreign)),
        (vec![late("Deployment", json!(["foregroundDeletion"]))], "waits for 0 objects".to_owned()),
        (vec![late("Deployment", json!(["orphan", foreign]))], kept(foreign)),
        (vec![late("Deployment", json!([]))], String::new()),
        (vec![late("Namespace", json!([foreign]))], String::new()),
    ] {
        Recorded::new(&objects).assert_found(&RULE, &words);
    }
}

#[test]
fn the_kubelet_is_at_fault_only_if_its_node_is_there_or_was() {
    let pod = |node: &str| {
        let mut pod = deleted(running("web"), LATE, json!([]));
        pod["spec"]["nodeName"] = node.into();
        pod
    };
    for (objects, words) in [
        (
            vec![pod("n1"), node("True")],
            "Pod shop/web: a deleted pod is not gone: its kubelet does not confirm",
        ),
        (vec![pod("n1"), node("False")], "Pod shop/web: a deleted pod is not gone: node n1 is not ready"),
        (vec![pod("n9"), node("True")], "Node n9: it does not exist any more"),
        (
            vec![pod(""), node("True")],
            "Pod shop/web: a deleted pod is not gone: its kubelet does not confirm",
        ),
        (vec![pod("n1")], "Pod shop/web: a deleted pod is not gone: its kubelet does not confirm"),
    ] {
        Recorded::new(&objects).assert_found(&RULE, words);
    }
}
