//! Questions of which the whole answer counts.

use serde_json::json;

use crate::recorded::{Recorded, event, object, pod};

/// A thousand pods of one workload, each with an event: one cause, and as little work for each as for one.
#[test]
fn a_thousand_pods_are_one_cause() {
    let mut objects = Vec::new();
    for at in 0..1000 {
        let state = json!({"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}});
        let spec = json!({"containers": [{"name": "app", "image": "app:9"}]});
        let status = json!({"phase": "Pending", "containerStatuses": [{"name": "app", "state": state}]});
        let mut pod = pod(&format!("web-1-{at}"), spec, status);
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "ReplicaSet", "name": "web-1", "controller": true}]);
        let mut event = event(&pod, "Failed", "Error: ErrImagePull");
        event["metadata"]["name"] = format!("event-{at}").into();
        objects.extend([pod, event]);
    }
    let mut set = object("ReplicaSet", "web-1");
    set["metadata"]["ownerReferences"] =
        json!([{"kind": "Deployment", "name": "web", "controller": true}]);
    let mut deployment = object("Deployment", "web");
    deployment["spec"] = json!({"replicas": 1000});
    objects.extend([set, deployment]);
    let answer = Recorded::new(&objects).ask("web");
    assert!(answer.contains("[image-pull] Deployment shop/web: image app:9 does not exist in its registry (affects 1000 pods)"), "{answer}");
    assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
}
