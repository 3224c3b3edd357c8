use serde_json::{Value, json};

use super::{LOST, MISSING};
use crate::{
    Kind,
    recorded::{Recorded, deleted, object, pod, young},
};

fn claim(phase: &str, volume: &str) -> Value {
    let mut claim = object("PersistentVolumeClaim", "data");
    claim["spec"] = json!({"volumeName": volume});
    claim["status"] = json!({"phase": phase});
    claim
}

fn volume(reference: Value) -> Value {
    let mut volume = object("PersistentVolume", "pv-1");
    volume["spec"] = json!({"claimRef": reference});
    volume
}

fn user(message: &str) -> Value {
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    pod(
        "db",
        json!({"containers": [], "volumes": volumes}),
        json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
    )
}

#[test]
fn a_volume_that_is_gone_or_taken_is_named() {
    let answer = Recorded::new(&[claim("Lost", "pv-1"), user("x")]).ask("db");
    assert!(answer.contains("cause 1 (certain) [claim-lost] PersistentVolumeClaim shop/data: it is Lost: its volume pv-1 was deleted"), "{answer}");
    for (reference, summary) in [
        (
            json!({"namespace": "other", "name": "logs", "uid": "u"}),
            "it asks for the volume pv-1, which is for claim other/logs",
        ),
        (
            json!({"namespace": "shop", "name": "data", "uid": "old"}),
            "which still is bound to a deleted claim of the same name",
        ),
    ] {
        let answer = Recorded::new(&[claim("Pending", "pv-1"), volume(reference)]).ask("data");
        assert!(answer.contains("(certain) [claim-lost]") && answer.contains(summary), "{answer}");
    }
    let answer = Recorded::new(&[claim("Pending", "pv-1")]).ask("data");
    assert!(answer.contains("it asks for the volume pv-1, which does not exist"), "{answer}");
}

#[test]
fn a_claim_that_a_pod_names_and_that_is_missing_is_the_cause() {
    for message in [
        "persistentvolumeclaim \"data\" not found",
        "0/1 nodes are available: persistentvolumeclaim \"data\" not found. preemption: none",
    ] {
        let mut other = claim("Bound", "");
        other["metadata"]["name"] = "date".into();
        let answer = Recorded::new(&[user(message), other]).ask("db");
        assert!(answer.contains("cause 1 (certain) [claim-missing] PersistentVolumeClaim shop/data: it does not exist (affects 1 Pod)"), "{answer}");
        assert!(answer.contains("there are: date") && !answer.contains("cause 2"), "{answer}");
        let answer = Recorded::new(&[user(message)]).deny(Kind::PersistentVolumeClaim).ask("db");
        assert!(answer.contains("[claim-missing]"), "{answer}");
    }
    let answer = Recorded::new(&[user("x")]).deny(Kind::PersistentVolumeClaim).ask("db");
    assert!(!answer.contains("claim-missing"), "{answer}");
}

#[test]
fn a_claim_that_is_bound_or_being_bound_is_no_fault() {
    let own = json!({"namespace": "shop", "name": "data", "uid": "uid-data"});
    for claim in [claim("Bound", "pv-1"), claim("Pending", "pv-1"), claim("Pending", "")] {
        let answer = Recorded::new(&[claim, volume(own.clone())]).ask("data");
        assert!(!answer.contains("claim-lost"), "{answer}");
    }
}

#[test]
fn a_claim_asks_for_a_volume_only_if_it_names_one_and_is_not_young() {
    for (claim, words) in [
        (claim("Pending", "pv-1"), "it asks for the volume pv-1, which does not exist"),
        (young(claim("Pending", "pv-1")), ""),
        (claim("Pending", ""), ""),
        (claim("Bound", "pv-1"), ""),
    ] {
        Recorded::new(&[claim]).assert_found(&LOST, words);
    }
}

#[test]
fn a_missing_claim_is_a_fault_of_pods_that_wait_for_it_and_are_not_young() {
    let named = "persistentvolumeclaim \"data\" not found";
    let mut runs = user("x");
    runs["status"]["phase"] = "Running".into();
    for (pod, words) in [
        (user("x"), "PersistentVolumeClaim shop/data: it does not exist"),
        (young(user("x")), ""),
        (young(user(named)), "PersistentVolumeClaim shop/data: it does not exist"),
        (deleted(user("x")), ""),
        (runs, ""),
    ] {
        Recorded::new(&[pod]).assert_found(&MISSING, words);
    }
}
