use serde_json::{Value, json};

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
