use serde_json::{Value, json};

use super::RULE;
use crate::{
    Kind,
    recorded::{Recorded, deleted, event, object, pod, young},
};

fn claim(class: &str) -> Value {
    let mut claim = object("PersistentVolumeClaim", "data");
    claim["spec"] = json!({"storageClassName": class});
    claim["status"] = json!({"phase": "Pending"});
    claim
}

fn class(provisioner: &str, mode: &str) -> Value {
    let mut class = object("StorageClass", "fast");
    class["provisioner"] = provisioner.into();
    class["volumeBindingMode"] = mode.into();
    class
}

fn user() -> Value {
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    let message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    pod(
        "db",
        json!({"containers": [], "volumes": volumes}),
        json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
    )
}

#[test]
fn a_provisioner_that_is_silent_or_fails_is_named() {
    let objects = [claim("fast"), class("ebs.csi.example", "Immediate"), user()];
    let head = "[claim-provisioner] PersistentVolumeClaim shop/data: the provisioner ebs.csi.example of its class fast";
    let answer = Recorded::new(&objects).ask("db");
    assert!(
        answer.contains(&format!("cause 1 (likely) {head} has made no volume (affects 1 Pod)")),
        "{answer}"
    );
    assert!(!answer.contains("cause 2"), "{answer}");
    for (words, cause) in [
        (
            "failed to provision volume with StorageClass \"fast\": rpc error: code = ResourceExhausted desc = out of space",
            "there is no capacity or quota left",
        ),
        (
            "failed to provision volume with StorageClass \"fast\": rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            "its storage does not answer",
        ),
        (
            "failed to provision volume with StorageClass \"fast\": error getting secret csi in namespace kube-system: secrets \"csi\" not found",
            "a Secret that its class names does not exist",
        ),
    ] {
        let mut with = objects.to_vec();
        with.push(event(&with[0], "ProvisioningFailed", words));
        let answer = Recorded::new(&with).ask("db");
        assert!(
            answer.contains(&format!("cause 1 (certain) {head} fails to make a volume: {cause}")),
            "{answer}"
        );
        assert!(answer.contains(words), "{answer}");
    }
}

#[test]
fn volumes_that_people_make_are_asked_of_people() {
    let answer = Recorded::new(&[claim("")]).ask("data");
    assert!(
        answer.contains("(likely) [claim-provisioner]") && answer.contains("its class is empty"),
        "{answer}"
    );
    let answer =
        Recorded::new(&[claim("fast"), class("kubernetes.io/no-provisioner", "Immediate")]).ask("data");
    assert!(answer.contains("its class fast makes no volumes"), "{answer}");
}

#[test]
fn a_claim_that_waits_for_its_consumer_or_is_young_is_no_fault() {
    let mut young = claim("fast");
    young["metadata"]["creationTimestamp"] = "2026-11-24T11:59:00Z".into();
    let late = || class("ebs.csi.example", "WaitForFirstConsumer");
    for objects in [vec![claim("fast"), late()], vec![young, class("ebs.csi.example", "Immediate")]] {
        let answer = Recorded::new(&objects).ask("data");
        assert!(!answer.contains("claim-provisioner"), "{answer}");
    }
    let answer = Recorded::new(&[claim("fast"), late()]).ask("data");
    assert!(
        answer.starts_with(
            "PersistentVolumeClaim shop/data: not running, as intended, Pending: its class waits for a pod"
        ),
        "{answer}"
    );
    let mut chosen = claim("fast");
    chosen["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "n1"});
    let answer = Recorded::new(&[chosen, late()]).ask("data");
    assert!(answer.contains("has made no volume"), "{answer}");
    let answer =
        Recorded::new(&[claim("fast"), class("x", "Immediate")]).deny(Kind::StorageClass).ask("data");
    assert!(!answer.contains("claim-provisioner"), "{answer}");
}

#[test]
fn a_claim_that_is_bound_deleted_or_young_waits_for_no_provisioner() {
    let mut given = claim("fast");
    given["spec"]["volumeName"] = "pv-1".into();
    let class = class("ebs.csi.example", "Immediate");
    for (claim, words) in [
        (claim("fast"), "the provisioner ebs.csi.example of its class fast has made no volume"),
        (given, ""),
        (deleted(claim("fast")), ""),
        (claim(""), "none that is free fits"),
        (young(claim("")), ""),
    ] {
        Recorded::new(&[claim, class.clone()]).assert_found(&RULE, words);
    }
}

#[test]
fn a_secret_is_missing_only_if_the_provisioner_says_so() {
    for (words, is_named) in [
        ("error getting secret csi: secrets \"csi\" not found", true),
        ("rpc error: code = NotFound desc = pool fast not found", false),
        ("the secret of the pool is of an old version", false),
    ] {
        let claim = claim("fast");
        let failed = event(&claim, "ProvisioningFailed", words);
        let findings = Recorded::new(&[claim, class("ebs.csi.example", "Immediate"), failed]).findings(&RULE);
        assert_eq!(
            findings[0].contains("a Secret that its class names does not exist"),
            is_named,
            "{findings:?}"
        );
    }
}

#[test]
fn the_words_that_a_provisioner_is_waited_for_are_quoted_and_no_others() {
    let claim = claim("fast");
    let waiting = event(&claim, "ExternalProvisioning", "Waiting for a volume to be created");
    let other = event(&claim, "Provisioning", "External provisioner is provisioning volume");
    let answer = Recorded::new(&[claim, class("ebs.csi.example", "Immediate"), waiting, other]).ask("data");
    assert!(answer.contains("Waiting for a volume to be created"), "{answer}");
    assert!(!answer.contains("is provisioning volume"), "{answer}");
}
