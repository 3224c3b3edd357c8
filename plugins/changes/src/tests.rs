#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod warnings;

use serde_json::{Value, json};

use crate::{
    Release, Write,
    recorded::{NOW, Recorded},
};

fn template(image: &str, memory: &str, annotations: Value) -> Value {
    json!({"metadata": {"labels": {"app": "web"}, "annotations": annotations}, "spec": {"containers": [{
        "name": "web", "image": image, "resources": {"limits": {"memory": memory}},
        "env": [{"name": "TOKEN", "value": format!("hunter2-{image}")}],
        "envFrom": [{"configMapRef": {"name": "web-config"}}]}]}})
}

fn deployment(template: &Value) -> Value {
    json!({"metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "2026-10-01T00:00:00Z"},
        "spec": {"replicas": 3, "template": template}, "status": {"conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}})
}

fn set(hash: &str, revision: u32, created: &str, template: &Value) -> Value {
    json!({"metadata": {"name": format!("web-{hash}"), "namespace": "shop", "creationTimestamp": created,
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
        "spec": {"template": template}})
}

#[test]
fn a_rollout_is_told_with_what_differs_and_who_wrote_it() {
    let (old, new) = (template("web:1", "512Mi", json!({})), template("web:2", "64Mi", json!({})));
    let cluster = Recorded::default()
        .with("deployments.apps", deployment(&new))
        .with("replicasets.apps", set("a", 7, "2026-11-20T00:00:00Z", &old))
        .with("replicasets.apps", set("b", 8, "2026-11-24T11:10:00Z", &new))
        .written("deployments.apps", "web", "kubectl-set", "2026-11-24T11:09:59Z", &["spec.template"])
        .written("deployments.apps", "web", "helm", "2026-11-24T09:00:00Z", &["spec.template"]);
    let answer = cluster.ask("1h", "");
    assert_eq!(
        answer,
        "1 change in namespace shop since 2026-11-24T11:00:00Z (60m), newest first\n\
         11:10:00Z 50m rollout Deployment shop/web 7 -> 8 by kubectl-set: image of web: web:1 -> web:2; env TOKEN of web differs; \
         resources.limits.memory 512Mi -> 64Mi; it failed: ProgressDeadlineExceeded"
    );
}

#[test]
fn a_rollback_takes_an_old_replica_set_and_is_dated_by_the_write() {
    let (old, new) = (template("web:1", "1Gi", json!({})), template("web:2", "1Gi", json!({})));
    let mut back = set("a", 9, "2026-11-20T00:00:00Z", &old);
    back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = "7".into();
    let cluster = Recorded::default()
        .with("deployments.apps", deployment(&old))
        .with("replicasets.apps", back)
        .with("replicasets.apps", set("b", 8, "2026-11-23T00:00:00Z", &new))
        .written("deployments.apps", "web", "kubectl-rollout", "2026-11-24T11:30:00Z", &["spec.template"]);
    let answer = cluster.clone().ask("1h", "");
    assert!(
        answer.contains("11:30:00Z 30m rolled back Deployment shop/web 8 -> 9 (the template of 7) by kubectl-rollout: image of web: web:2 -> web:1"),
        "{answer}"
    );
    assert!(!answer.contains("hunter2"), "{answer}");
    assert!(cluster.ask("10m", "").starts_with("no change seen in namespace shop since"));
}

#[test]
fn revisions_of_a_stateful_set_and_restarts_by_hand_are_rollouts() {
    let (old, new) = (
        template("db:1", "1Gi", json!({"checksum/config": "a"})),
        template(
            "db:1",
            "1Gi",
            json!({"checksum/config": "b", "kubectl.kubernetes.io/restartedAt": "2026-11-24T11:00:00Z"}),
        ),
    );
    let revision = |number: u32, created: &str, template: &Value| {
        json!({"metadata": {"name": format!("db-{number}"), "namespace": "shop", "creationTimestamp": created,
                "ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": true}]},
            "revision": number, "data": {"spec": {"template": template}}})
    };
    let mut db = deployment(&new);
    db["metadata"]["name"] = "db".into();
    db["status"] = json!({});
    let answer = Recorded::default()
        .with("statefulsets.apps", db)
        .with("controllerrevisions.apps", revision(1, "2026-11-01T00:00:00Z", &old))
        .with("controllerrevisions.apps", revision(2, "2026-11-23T20:00:00Z", &new))
        .ask("", "");
    assert!(
        answer.contains("11-23 20:00:00Z 16h rollout StatefulSet shop/db 1 -> 2: restarted by hand (rollout restart); annotation checksum/config differs"),
        "{answer}"
    );
}

fn event(kind: &str, name: &str, reason: &str, message: &str, times: (&str, &str, u32)) -> Value {
    let namespace = if kind == "Node" { Value::Null } else { "shop".into() };
    let (first, last, count) = times;
    json!({"metadata": {"name": format!("{name}.{reason}"), "namespace": "shop"},
        "type": if reason.starts_with("S") || reason.starts_with("Node") { "Normal" } else { "Warning" },
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace}, "reason": reason, "message": message,
        "firstTimestamp": first, "lastTimestamp": last, "count": count})
}

#[test]
fn scaling_is_told_from_its_first_number_to_its_last() {
    let scaled = |from: u32, to: u32, time: &str| {
        event(
            "Deployment",
            "web",
            "ScalingReplicaSet",
            &format!("Scaled up replica set web-a from {from} to {to}"),
            (time, time, 1),
        )
    };
    let mut cluster = Recorded::default()
        .with("events", scaled(2, 4, "2026-11-24T11:40:00Z"))
        .with("events", scaled(4, 8, "2026-11-24T11:50:00Z"))
        .with(
            "events",
            event(
                "HorizontalPodAutoscaler",
                "cart",
                "SuccessfulRescale",
                "New size: 5; reason: cpu resource utilization (percentage of request) above target",
                ("2026-11-24T11:55:00Z", "2026-11-24T11:55:00Z", 1),
            ),
        )
        .written("deployments.apps", "web", "kubectl", "2026-11-24T11:50:00Z", &["spec.replicas"]);
    cluster.writes[0].1.subresource = "scale".to_owned();
    let by_autoscaler = Write {
        name: "cart".to_owned(),
        manager: "kube-controller-manager".to_owned(),
        time: "2026-11-24T11:55:01Z".to_owned(),
        ..cluster.writes[0].1.clone()
    };
    cluster.writes.push(("deployments.apps", by_autoscaler));
    let answer = cluster.ask("1h", "");
    assert!(answer.starts_with("2 changes"), "{answer}");
    assert!(answer.contains("11:50:00Z 10m scaled Deployment shop/web 2 -> 8 by kubectl"), "{answer}");
    assert!(
        answer.contains("HorizontalPodAutoscaler shop/cart scaled: New size: 5; reason: cpu"),
        "{answer}"
    );
}

pub(crate) fn pod(name: &str, reason: &str, code: i32, finished: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "labels": {"pod-template-hash": "6d4f9c7b8d"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-6d4f9c7b8d", "controller": true}]},
        "spec": {"containers": [{"name": "web", "resources": {"limits": {"memory": "128Mi"}}}]},
        "status": {"containerStatuses": [{"name": "web", "restartCount": 4, "state": {"running": {}},
            "lastState": {"terminated": {"reason": reason, "exitCode": code, "finishedAt": finished}}}]},
        "test": {"restarts": "4 (6m ago)"}})
}

#[test]
fn ends_of_containers_of_one_workload_are_one_line() {
    let mut evicted = pod("web-6d4f9c7b8d-bbbbb", "", 0, "");
    evicted["status"] = json!({"reason": "Evicted", "message": "The node was low on resource: memory.\nx",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-11-24T11:20:00Z"}]});
    let answer = Recorded::default()
        .with("pods", pod("web-6d4f9c7b8d-k8pq2", "OOMKilled", 137, "2026-11-24T11:54:00Z"))
        .with("pods", pod("web-6d4f9c7b8d-x2x7q", "OOMKilled", 137, "2026-11-24T11:50:00Z"))
        .with("pods", pod("web-6d4f9c7b8d-zzzzz", "Error", 1, "2026-11-24T10:00:00Z"))
        .with("pods", evicted)
        .with(
            "events",
            event(
                "Pod",
                "web-6d4f9c7b8d-k8pq2",
                "BackOff",
                "Back-off restarting",
                ("2026-11-24T11:30:00Z", NOW, 9),
            ),
        )
        .ask("1h", "");
    let lines: Vec<&str> = answer.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "11:54:00Z 6m killed for its memory Deployment shop/web, container web in 2 pods: limit 128Mi; 8 restarts so far",
            "11:20:00Z 40m evicted Deployment shop/web: The node was low on resource: memory. x"
        ]
    );
}

#[test]
fn nodes_are_told_by_their_conditions_and_what_those_forgot_by_events() {
    let node = json!({"metadata": {"name": "n1", "creationTimestamp": "2026-10-01T00:00:00Z"},
        "spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "timeAdded": "2026-11-24T11:10:00Z"}]},
        "status": {"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T11:40:00Z"},
            {"type": "DiskPressure", "status": "True", "lastTransitionTime": "2026-11-24T11:45:00Z", "message": "kubelet has disk pressure"},
            {"type": "MemoryPressure", "status": "False", "lastTransitionTime": "2026-10-01T00:00:10Z"}]}});
    let mut answer = Recorded::default()
        .with("nodes", node)
        .with(
            "events",
            event("Node", "n1", "NodeNotReady", "x", ("2026-11-24T11:35:00Z", "2026-11-24T11:35:00Z", 1)),
        )
        .with(
            "events",
            event("Node", "n1", "NodeReady", "x", ("2026-11-24T11:40:05Z", "2026-11-24T11:40:05Z", 1)),
        )
        .written("nodes", "n1", "kubectl-cordon", "2026-11-24T11:10:00Z", &["spec.unschedulable"]);
    for (_, event) in answer.objects.iter_mut().filter(|(resource, _)| *resource == "events") {
        event["metadata"]["namespace"] = "default".into();
    }
    let answer = answer.ask("1h", "");
    let lines: Vec<&str> = answer.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "11:45:00Z 15m Node n1 has DiskPressure: kubelet has disk pressure",
            "11:40:00Z 20m Node n1 became ready",
            "11:35:00Z 25m Node n1 became not ready",
            "11:10:00Z 50m Node n1 was cordoned by kubectl-cordon"
        ]
    );
}

#[test]
fn many_nodes_that_join_are_one_line() {
    let node = |n: u32, time: &str| json!({"metadata": {"name": format!("n{n}"), "creationTimestamp": time}});
    let cluster = (0..6).fold(Recorded::default(), |cluster, n| {
        cluster.with("nodes", node(n, &format!("2026-11-24T11:5{n}:00Z")))
    });
    let answer = cluster.with("nodes", node(9, "2026-10-01T00:00:00Z")).ask("1h", "");
    assert!(answer.ends_with("11:55:00Z 5m 6 Nodes joined: n5, n4, n3, n2 and 2 more"), "{answer}");
}

#[test]
fn configuration_is_told_by_its_manager_and_the_names_of_its_keys() {
    let data = ["data.endpoint", "data.timeout", "metadata.annotations"];
    let cluster = Recorded::default()
        .with("deployments.apps", deployment(&template("web:1", "1Gi", json!({}))))
        .written("configmaps", "web-config", "kubectl-edit", "2026-11-24T11:50:00Z", &data)
        .written("configmaps", "web-config", "kubectl-create", "2026-11-24T11:49:00Z", &["data.old"])
        .written("configmaps", "leader", "controller", "2026-11-24T11:59:00Z", &["metadata.annotations"])
        .written("configmaps", "other", "kubectl-edit", "2026-11-24T11:40:00Z", &["data.x"])
        .written("resourcequotas", "quota", "kubectl", "2026-11-24T11:30:00Z", &["spec.hard"]);
    let answer = cluster.clone().ask("1h", "");
    assert!(answer.starts_with("3 changes"), "{answer}");
    assert!(
        answer.contains(
            "11:50:00Z 10m changed ConfigMap shop/web-config by kubectl-edit: data.endpoint, data.timeout\n"
        ),
        "{answer}"
    );
    // What a workload uses, and the quota of its namespace, concern it.
    let mut used = cluster.clone();
    used.writes.retain(|(_, write)| write.name != "other");
    used.writes.push(("configmaps", Write { name: "settings".to_owned(), ..cluster.writes[0].1.clone() }));
    used.objects[0].1["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"] =
        "settings".into();
    let answer = used.ask("1h", "WEB");
    assert!(answer.starts_with("3 changes in namespace shop about web"), "{answer}");
    assert!(answer.contains("shop/settings") && answer.contains("ResourceQuota shop/quota"), "{answer}");
    assert!(!cluster.ask("1h", "web").contains("other"));
}

#[test]
fn many_objects_of_one_manager_are_one_line() {
    let cluster = (0..9).fold(Recorded::default(), |cluster, n| {
        cluster.written(
            "configmaps",
            &format!("c{n}"),
            "argocd",
            &format!("2026-11-24T11:5{n}:00Z"),
            &["data.x"],
        )
    });
    let answer = cluster.ask("1h", "");
    assert!(
        answer.ends_with("11:58:00Z 2m changed 9 configmaps in shop by argocd: c8, c7, c6, c5 and 5 more"),
        "{answer}"
    );
}

#[test]
fn a_helm_revision_is_compared_with_the_one_before() {
    let release = |revision, status: &str, chart: &str, updated: &str| Release {
        namespace: "shop".into(),
        name: "orders".into(),
        revision,
        status: status.into(),
        chart: chart.into(),
        app_version: "1.0".into(),
        updated: updated.into(),
    };
    let cluster = Recorded {
        releases: vec![
            release(3, "failed", "orders-1.3.0", "2026-11-24T12:50:00.5+01:00"),
            release(2, "superseded", "orders-1.2.0", "2026-11-01T10:00:00Z"),
        ],
        ..Recorded::default()
    };
    let answer = cluster.ask("1h", "");
    assert!(
        answer.ends_with("11:50:00Z 10m Helm: release shop/orders revision 3 failed, chart orders-1.2.0 -> orders-1.3.0, app still 1.0"),
        "{answer}"
    );
}

#[test]
fn too_much_is_folded_by_importance_and_counted() {
    let new = template("web:2", "1Gi", json!({}));
    let mut cluster = Recorded::default()
        .with("deployments.apps", deployment(&new))
        .with("replicasets.apps", set("a", 1, "2026-11-01T00:00:00Z", &template("web:1", "1Gi", json!({}))))
        .with("replicasets.apps", set("b", 2, "2026-11-24T11:00:01Z", &new));
    for n in 0..60 {
        let time = format!("2026-11-24T11:{n:02}:30Z");
        cluster = cluster.with(
            "events",
            event("Job", &format!("job-{n}"), "BackoffLimitExceeded", "failed", (&time, &time, 1)),
        );
    }
    let answer = cluster.ask("1h", "");
    assert!(answer.starts_with("61 changes"), "{answer}");
    assert!(
        answer.contains("rollout Deployment shop/web 1 -> 2"),
        "the oldest is the most important: {answer}"
    );
    assert!(answer.contains("not shown: 41 warnings; narrow with since, namespace or name"), "{answer}");
    assert!(answer.len() < 3600, "{}", answer.len());
}

#[test]
fn many_workloads_that_are_new_are_one_line() {
    let cluster = (0..12).fold(Recorded::default(), |cluster, n| {
        let mut new = deployment(&template("web:1", "1Gi", json!({})));
        new["metadata"]["name"] = format!("w{n:02}").into();
        new["metadata"]["creationTimestamp"] = format!("2026-11-24T11:{n:02}:00Z").into();
        cluster.with("deployments.apps", new)
    });
    let answer = cluster.clone().ask("1h", "");
    assert!(
        answer.ends_with(
            "11:11:00Z 49m created 12 workloads in shop: w00, w01, w02, w03, w04, w05, w06, w07 and 4 more"
        ),
        "{answer}"
    );
    assert!(cluster.ask("5m", "").starts_with("no change seen"));
}

#[test]
fn what_may_not_be_read_is_said() {
    let answer = Recorded::default().deny(&["events", "configmaps", "releases", "nodes"]).ask("1h", "");
    assert!(answer.starts_with("no change seen in namespace shop since 2026-11-24T11:00:00Z"), "{answer}");
    assert!(
        answer.contains(
            "not seen: Helm releases, events, events of nodes, nodes, writes to configmaps, writes to nodes (forbidden)"
        ),
        "{answer}"
    );
    assert!(Recorded::default().ask("soon", "").contains("is neither an age such as 30m"));
}

/// Names, managers and messages of the cluster begin no line of the answer.
#[test]
fn foreign_text_forges_no_line() {
    let answer = Recorded::default()
        .written(
            "configmaps",
            "x\n11:00:00Z 1h rollout",
            "a\u{2028}b\n",
            "2026-11-24T11:50:00Z",
            &["data.a\nb"],
        )
        .with("events", event("Pod", "p\nq", "Failed\nMount", "x\r\ny", (NOW, NOW, 1)))
        .ask("1h", "");
    assert_eq!(answer.lines().count(), 3, "{answer}");
}
