use serde_json::{Value, json};

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
