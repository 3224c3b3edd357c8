use serde_json::{Value, json};

use super::RULE;
use crate::{
    Kind,
    recorded::{Recorded, event, object, running},
};

const MESSAGE: &str = "pods \"cart-6d4-x\" is forbidden: exceeded quota: team, requested: limits.cpu=2, used: limits.cpu=3, limited: limits.cpu=4";

fn quota(used: &str) -> Value {
    let mut quota = object("ResourceQuota", "team");
    quota["spec"] = json!({"hard": {"limits.cpu": "4"}});
    quota["status"] = json!({"hard": {"limits.cpu": "4"}, "used": {"limits.cpu": used}});
    quota
}

fn workload(kind: &str, name: &str) -> Value {
    let mut workload = object(kind, name);
    let container = json!({"name": "app", "resources": {"limits": {"cpu": "2"}}});
    workload["spec"] = json!({"replicas": 3, "template": {"spec": {"containers": [container]}}});
    workload["status"] =
        json!({"replicas": 1, "readyReplicas": 1, "desiredNumberScheduled": 3, "currentNumberScheduled": 1});
    workload
}

fn deployment() -> Vec<Value> {
    let mut set = workload("ReplicaSet", "cart-6d4");
    set["metadata"]["ownerReferences"] = json!([{"kind": "Deployment", "name": "cart", "controller": true}]);
    set["status"]["conditions"] =
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": MESSAGE}]);
    let mut user = running("cart-6d4-a");
    user["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
    user["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "cart-6d4", "controller": true}]);
    vec![workload("Deployment", "cart"), set, user]
}

#[test]
fn the_quota_is_the_cause_and_its_users_are_named() {
    let mut objects = deployment();
    objects.push(quota("3"));
    let answer = Recorded::new(&objects).ask("cart");
    assert!(answer.contains("cause 1 (certain) [quota-exceeded] ResourceQuota shop/team: it leaves too little: 3 of 4 limits.cpu is used, one more asks for 2 (affects 1 Deployment)"), "{answer}");
    assert!(answer.contains("limits.cpu of the namespace: Deployment cart 2"), "{answer}");
    let denied = Recorded::new(&objects).deny(Kind::ResourceQuota).ask("cart");
    assert!(denied.contains("3 of 4 limits.cpu is used"), "{denied}");
    let only = Recorded::new(&[deployment().remove(0)]).ask("cart");
    assert!(!only.contains("quota-exceeded"), "{only}");
}

#[test]
fn events_of_sets_say_it_and_without_them_the_sums_do() {
    for kind in ["StatefulSet", "DaemonSet"] {
        let db = workload(kind, "db");
        let said = event(&db, "FailedCreate", MESSAGE);
        let answer = Recorded::new(&[db.clone(), quota("3"), said]).ask("db");
        assert!(answer.contains("cause 1 (certain) [quota-exceeded] ResourceQuota shop/team"), "{answer}");
        let answer = Recorded::new(&[db.clone(), quota("3")]).ask("db");
        assert!(answer.contains("cause 1 (likely) [quota-exceeded] ResourceQuota shop/team: it leaves too little: 3 of 4 limits.cpu is used, one more asks for 2"), "{answer}");
        assert!(answer.contains("1 of 3 pods exist"), "{answer}");
        let answer = Recorded::new(&[db.clone(), quota("1")]).ask("db");
        assert!(!answer.contains("quota-exceeded"), "{answer}");
        let answer = Recorded::new(&[db, quota("3")]).deny(Kind::ResourceQuota).ask("db");
        assert!(!answer.contains("quota-exceeded"), "{answer}");
    }
}

#[test]
fn the_claims_of_a_set_count_too() {
    let mut db = workload("StatefulSet", "db");
    db["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": "8Gi"}}}}]);
    let mut quota = quota("0");
    quota["status"] = json!({"hard": {"requests.storage": "10Gi"}, "used": {"requests.storage": "8Gi"}});
    let answer = Recorded::new(&[db.clone(), quota.clone()]).ask("db");
    assert!(
        answer.contains(
            "(likely) [quota-exceeded] ResourceQuota shop/team: it leaves too little: 8Gi of 10Gi requests.storage is used, one more asks for 8Gi"
        ),
        "{answer}"
    );
    let mut kept = object("PersistentVolumeClaim", "data-db-1");
    kept["status"] = json!({"phase": "Bound"});
    let answer = Recorded::new(&[db, quota, kept]).ask("db");
    assert!(!answer.contains("quota-exceeded"), "{answer}");
}

#[test]
fn a_full_quota_is_no_fault_of_a_workload_that_has_its_pods() {
    let mut db = workload("StatefulSet", "db");
    db["status"]["replicas"] = 3.into();
    let answer = Recorded::new(&[db, quota("4")]).ask("db");
    assert!(!answer.contains("quota-exceeded"), "{answer}");
}

#[test]
fn a_refusal_for_another_reason_is_not_joined_with_a_quota() {
    let db = workload("StatefulSet", "db");
    let denied = event(&db, "FailedCreate", "admission webhook \"x\" denied the request: no");
    Recorded::new(&[db.clone(), quota("3"), denied]).assert_found(&RULE, "");
    Recorded::new(&[db, quota("3")]).assert_found(&RULE, "ResourceQuota shop/team: ");
}

#[test]
fn a_quota_of_requests_has_a_name_with_and_without_the_prefix() {
    for (key, is_found) in [
        ("cpu", true),
        ("memory", true),
        ("ephemeral-storage", true),
        ("requests.cpu", true),
        ("requests.nvidia.com/gpu", true),
        ("nvidia.com/gpu", false),
    ] {
        let mut db = workload("StatefulSet", "db");
        let requests = json!({"cpu": "2", "memory": "2", "ephemeral-storage": "2", "nvidia.com/gpu": "2"});
        db["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": requests});
        let mut quota = quota("0");
        quota["status"] = json!({"hard": {key: "4"}, "used": {key: "3"}});
        let words = format!("3 of 4 {key} is used, one more asks for 2");
        Recorded::new(&[db, quota]).assert_found(&RULE, if is_found { &words } else { "" });
    }
}

#[test]
fn a_quota_of_a_storage_class_counts_the_claims_of_that_class() {
    for (class, key, is_found) in [
        ("fast", "fast.storageclass.storage.k8s.io/persistentvolumeclaims", true),
        ("slow", "fast.storageclass.storage.k8s.io/persistentvolumeclaims", false),
        ("", ".storageclass.storage.k8s.io/persistentvolumeclaims", false),
        ("", "persistentvolumeclaims", true),
    ] {
        let mut db = workload("StatefulSet", "db");
        db["spec"]["volumeClaimTemplates"] =
            json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": class}}]);
        let mut quota = quota("0");
        quota["status"] = json!({"hard": {key: "4"}, "used": {key: "4"}});
        let words = format!("4 of 4 {key} is used, one more asks for 1");
        Recorded::new(&[db, quota]).assert_found(&RULE, if is_found { &words } else { "" });
    }
}

#[test]
fn the_users_of_a_quota_are_summed_without_pods_that_have_ended() {
    let mut objects = deployment();
    objects.push(quota("3"));
    let mut pods: Vec<Value> = ["b", "c", "d"]
        .map(|name| {
            let mut pod = objects[2].clone();
            pod["metadata"]["name"] = format!("cart-6d4-{name}").into();
            pod
        })
        .into();
    pods[1]["status"]["phase"] = "Failed".into();
    pods[2]["status"]["phase"] = "Succeeded".into();
    pods.push(running("idle"));
    objects.extend(pods);
    let answer = Recorded::new(&objects).ask("cart");
    assert!(answer.contains("limits.cpu of the namespace: Deployment cart 4 ["), "{answer}");
}
