use serde_json::{Value, json};

use crate::{
    Kind,
    recorded::{Recorded, event, object},
};

fn workload(kind: &str) -> Value {
    let mut workload = object(kind, "cart");
    let container = json!({"name": "app", "resources": {"requests": {"memory": "64Mi", "cpu": "10m"}, "limits": {"memory": "64Mi"}}});
    workload["spec"] = json!({"replicas": 3, "template": {"spec": {"containers": [container]}}});
    workload["status"] = json!({"desiredNumberScheduled": 2});
    workload
}

fn quota() -> Value {
    let mut quota = object("ResourceQuota", "team");
    let hard = json!({"requests.cpu": "100m", "limits.cpu": "100m", "limits.memory": "500Mi"});
    quota["spec"] = json!({"hard": hard});
    quota["status"] =
        json!({"hard": hard, "used": {"requests.cpu": "0", "limits.cpu": "0", "limits.memory": "0"}});
    quota
}

#[test]
fn the_words_of_either_version_name_quota_and_resource() {
    for (words, summary) in [
        (
            "must specify limits.cpu for: app; limits.memory for: app,proxy",
            "limits.cpu (container app), limits.memory (container app, proxy)",
        ),
        ("must specify limits.cpu,limits.memory", "limits.cpu, limits.memory"),
    ] {
        let message = format!("pods \"cart-6d4-x\" is forbidden: failed quota: team: {words}");
        let mut set = workload("ReplicaSet");
        set["metadata"]["name"] = "cart-6d4".into();
        set["metadata"]["ownerReferences"] =
            json!([{"kind": "Deployment", "name": "cart", "controller": true}]);
        set["status"] = json!({"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]});
        let answer = Recorded::new(&[workload("Deployment"), set, quota()]).ask("cart");
        assert!(
            answer.contains(&format!("cause 1 (certain) [quota-needs-limits] Deployment shop/cart: its template gives no {summary}, which ResourceQuota team wants")),
            "{answer}"
        );
        assert!(answer.contains(words) && !answer.contains("exceeded"), "{answer}");
        // A Deployment has the condition, too: it counts if nobody may list ReplicaSets.
        let mut alone = workload("Deployment");
        alone["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]);
        let answer = Recorded::new(&[alone, quota()]).deny(Kind::ReplicaSet).ask("cart");
        assert!(answer.contains("cause 1 (certain) [quota-needs-limits] Deployment shop/cart"), "{answer}");
    }
}

#[test]
fn without_its_event_a_set_or_job_is_joined_with_quota_and_defaults() {
    for kind in ["StatefulSet", "DaemonSet", "Job"] {
        let answer = Recorded::new(&[workload(kind), quota()]).ask("cart");
        assert!(
            answer.contains(&format!("cause 1 (likely) [quota-needs-limits] {kind} shop/cart: its template gives no limits.cpu (container app), which ResourceQuota team wants")),
            "{answer}"
        );
        let mut range = object("LimitRange", "defaults");
        range["spec"] = json!({"limits": [{"type": "Container", "default": {"cpu": "50m"}}]});
        for cluster in [
            Recorded::new(&[workload(kind), quota(), range]),
            Recorded::new(&[workload(kind), quota()]).deny(Kind::LimitRange),
            Recorded::new(&[workload(kind), quota()]).deny(Kind::ResourceQuota),
        ] {
            let answer = cluster.ask("cart");
            assert!(!answer.contains("quota-needs-limits"), "{answer}");
        }
    }
}

#[test]
fn a_refusal_that_is_over_is_no_fault() {
    let mut set = workload("StatefulSet");
    set["status"] = json!({"replicas": 3});
    let old = event(
        &set,
        "FailedCreate",
        "create Pod cart-0 in StatefulSet cart failed error: pods \"cart-0\" is forbidden: failed quota: team: must specify limits.cpu for: app",
    );
    let answer = Recorded::new(&[set, old, quota()]).ask("cart");
    assert!(!answer.contains("quota-needs-limits"), "{answer}");
}
