use serde_json::{Value, json};

use super::RULE;
use crate::{
    Kind,
    recorded::{Recorded, object, pod},
};

fn node(name: &str, labels: Value, taints: Value) -> Value {
    let mut node = object("Node", name);
    node["metadata"]["labels"] = labels;
    node["spec"] = json!({"taints": taints});
    node["status"] = json!({"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}]});
    node
}

fn pending(name: &str, spec: Value, message: &str) -> Value {
    let status = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
    pod(name, spec, status)
}

fn asks(cpu: &str) -> Value {
    json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]})
}

fn placed(name: &str, namespace: &str, cpu: &str, phase: &str) -> Value {
    let mut spec = asks(cpu);
    spec["nodeName"] = "n1".into();
    let mut pod = pod(name, spec, json!({"phase": phase}));
    pod["metadata"]["namespace"] = namespace.into();
    pod
}

const AFFINITY: &str = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. \
    preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

fn one(spec: Value, message: &str) -> Recorded {
    Recorded::new(&[
        node("n1", json!({"disktype": "hdd", "tier": "ssd"}), json!([])),
        pending("job", spec, message),
    ])
}

#[test]
fn a_label_that_no_node_has_is_named() {
    let answer = one(json!({"containers": [], "nodeSelector": {"disktype": "ssd"}}), AFFINITY).ask("job");
    assert!(answer.contains("[unschedulable] Pod shop/job: no node has the label disktype=ssd"), "{answer}");
    assert!(answer.contains("values of disktype on the nodes: hdd"), "{answer}");
    assert!(!answer.contains("reemption"), "{answer}");
    let answer = one(json!({"containers": [], "nodeSelector": {"disk-type": "ssd"}}), AFFINITY).ask("job");
    assert!(answer.contains("no node has a label disk-type; nodes have tier"), "{answer}");
    let denied = one(json!({"containers": [], "nodeSelector": {"disktype": "ssd"}}), AFFINITY);
    let answer = denied.deny(Kind::Node).ask("job");
    assert!(!answer.contains("no node has the label") && answer.contains("no node fits"), "{answer}");
}

#[test]
fn an_expression_that_no_node_satisfies_is_named() {
    for (expression, summary) in [
        (json!({"key": "disktype", "operator": "In", "values": ["ssd", "nvme"]}), "disktype In [ssd, nvme]"),
        (json!({"key": "disktype", "operator": "NotIn", "values": ["hdd"]}), "disktype NotIn [hdd]"),
        (json!({"key": "gpu", "operator": "Exists"}), "gpu Exists"),
    ] {
        let fits = json!({"key": "tier", "operator": "Exists"});
        let terms = json!([{"matchExpressions": [fits, expression]}]);
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        let answer = one(json!({"containers": [], "affinity": affinity}), AFFINITY).ask("job");
        assert!(answer.contains(&format!("no node satisfies its node affinity: {summary}\n")), "{answer}");
    }
}

#[test]
fn free_room_counts_the_pods_of_all_namespaces_and_those_that_ended_not() {
    let message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let objects = [
        node("n1", json!({}), json!([])),
        pending("job", asks("2"), message),
        placed("db", "other", "2500m", "Running"),
        placed("old", "other", "1", "Succeeded"),
    ];
    let answer = Recorded::new(&objects).ask("job");
    assert!(
        answer.contains("no node has enough free cpu: it requests cpu 2, the most free on one node is 1500m"),
        "{answer}"
    );
    assert!(answer.contains("free cpu: n1 1500m of 4 [nodes]"), "{answer}");
    let answer =
        Recorded::new(&[node("n1", json!({}), json!([])), pending("job", asks("8"), message)]).ask("job");
    assert!(answer.contains("it requests cpu 8, and no node has more than 4 at all"), "{answer}");
    let gpu = json!({"containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]});
    let answer = one(gpu, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.").ask("job");
    assert!(answer.contains("no node offers nvidia.com/gpu, of which it requests 1"), "{answer}");
}

#[test]
fn a_taint_that_is_not_tolerated_is_named_and_that_of_a_control_plane_is_usual() {
    let plane = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    let gpu = json!([{"key": "gpu", "value": "true", "effect": "NoSchedule"}]);
    let nodes = [node("cp", json!({}), plane), node("n1", json!({}), gpu)];
    let message = "0/2 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.";
    for message in [message, "0/2 nodes are available: 2 node(s) had untolerated taint(s)."] {
        let mut objects = nodes.to_vec();
        objects.push(pending("job", json!({"containers": []}), message));
        let answer = Recorded::new(&objects).ask("job");
        assert!(
            answer.contains(
                "[unschedulable] Pod shop/job: it does not tolerate the taint gpu=true:NoSchedule\n"
            ),
            "{answer}"
        );
        assert!(answer.contains("taint gpu=true:NoSchedule on n1 [nodes]"), "{answer}");
    }
}

#[test]
fn a_taint_counts_only_where_it_alone_keeps_the_pod_off() {
    let gpu = json!([{"key": "gpu", "value": "true", "effect": "NoSchedule"}]);
    let cordon = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
    let mut cordoned = node("n3", json!({"zone": "b"}), cordon);
    cordoned["spec"]["unschedulable"] = true.into();
    let nodes =
        [node("n1", json!({"zone": "a"}), json!([])), node("n2", json!({"zone": "a"}), gpu), cordoned];
    let ask = |spec: Value, message: &str| {
        let mut objects = nodes.to_vec();
        objects.push(pending("job", spec, message));
        Recorded::new(&objects).ask("job")
    };
    // The labels of the tainted node do not fit: the cordon is the cause.
    let message = "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.";
    let answer = ask(json!({"containers": [], "nodeSelector": {"zone": "b"}}), message);
    assert!(
        answer.contains("cause 1 (certain) [node-cordoned] Pod shop/job: node n3 is cordoned"),
        "{answer}"
    );
    assert!(!answer.contains("gpu"), "{answer}");
    // A node without a taint is full: the taint of another is beside it, and the cordoned one is too small.
    let message = "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.";
    let answer = ask(asks("5"), message);
    assert!(
        answer.contains("it requests cpu 5, and no node that it may use has more than 4 at all\n"),
        "{answer}"
    );
    assert!(!answer.contains("cause 2"), "{answer}");
}

#[test]
fn the_older_words_for_a_taint_are_known() {
    let gpu = json!([{"key": "gpu", "value": "true", "effect": "NoSchedule"}]);
    let message = "0/1 nodes are available: 1 node(s) had taint {gpu: true}, that the pod didn't tolerate.";
    let pod = pending("job", json!({"containers": []}), message);
    let answer = Recorded::new(&[node("n1", json!({}), gpu), pod]).ask("job");
    assert!(
        answer.contains("[unschedulable] Pod shop/job: it does not tolerate the taint gpu=true:NoSchedule\n"),
        "{answer}"
    );
}

#[test]
fn a_volume_that_is_being_made_is_newer_than_the_message() {
    let mut claim = object("PersistentVolumeClaim", "data");
    claim["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "n1"});
    claim["spec"] = json!({"storageClassName": "late"});
    claim["status"] = json!({"phase": "Pending"});
    let mut class = object("StorageClass", "late");
    class["provisioner"] = "csi.example".into();
    class["volumeBindingMode"] = "WaitForFirstConsumer".into();
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    let message = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
    let pod = pending("job", json!({"containers": [], "volumes": volumes}), message);
    let answer = Recorded::new(&[claim, class, pod, node("n1", json!({}), json!([]))]).ask("job");
    assert!(
        answer.contains("cause 1 (likely) [claim-provisioner]") && !answer.contains("cause 2"),
        "{answer}"
    );
}

#[test]
fn more_replicas_than_hosts_are_counted() {
    let mut workload = object("StatefulSet", "db");
    workload["spec"] = json!({"replicas": 3, "template": {"spec": {"containers": []}}});
    let term =
        json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}});
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let message =
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. preemption: none.";
    let mut third = pending("db-2", json!({"containers": [], "affinity": affinity}), message);
    third["metadata"]["labels"] = json!({"app": "db"});
    third["metadata"]["ownerReferences"] = json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
    let nodes = [node("n1", json!({}), json!([])), node("n2", json!({}), json!([]))];
    let answer = Recorded::new(&[workload, third, nodes[0].clone(), nodes[1].clone()]).ask("db");
    assert!(
        answer.contains("StatefulSet shop/db: its required anti-affinity allows one replica for each node: 3 replicas, but only 2 it may use"),
        "{answer}"
    );
}

#[test]
fn the_additional_pod_of_a_rolling_update_has_no_host() {
    let term =
        json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}});
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let owned = |mut object: Value, kind: &str, name: &str| {
        object["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        object["metadata"]["labels"] = json!({"app": "web"});
        object
    };
    let mut web = object("Deployment", "web");
    web["spec"] = json!({"replicas": 1});
    let message = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    let new = pending("web-2-x", json!({"containers": [], "affinity": affinity}), message);
    let old = placed("web-1-x", "shop", "1", "Running");
    let objects = [
        web,
        owned(object("ReplicaSet", "web-1"), "Deployment", "web"),
        owned(object("ReplicaSet", "web-2"), "Deployment", "web"),
        owned(old, "ReplicaSet", "web-1"),
        owned(new, "ReplicaSet", "web-2"),
        node("n1", json!({}), json!([])),
    ];
    let answer = Recorded::new(&objects).ask("web");
    assert!(answer.contains("the additional pod of the rolling update finds none"), "{answer}");
}

#[test]
fn a_claim_for_one_pod_names_the_pod_that_has_it() {
    let mut claim = object("PersistentVolumeClaim", "data");
    claim["spec"] = json!({"accessModes": ["ReadWriteOncePod"]});
    claim["status"] = json!({"phase": "Bound"});
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    let mut holder = placed("old", "shop", "1", "Running");
    holder["spec"]["volumes"] = volumes.clone();
    let message = "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.";
    let pod = pending("new", json!({"containers": [], "volumes": volumes}), message);
    let answer = Recorded::new(&[claim, holder, pod, node("n1", json!({}), json!([]))]).ask("new");
    assert!(answer.contains("[unschedulable] Pod shop/new: its claim data is ReadWriteOncePod"), "{answer}");
    assert!(answer.contains("Pod shop/old uses it"), "{answer}");
}

#[test]
fn a_volume_in_another_zone_is_named() {
    let mut claim = object("PersistentVolumeClaim", "data");
    claim["spec"] = json!({"volumeName": "pv-7"});
    claim["status"] = json!({"phase": "Bound"});
    let mut volume = object("PersistentVolume", "pv-7");
    let zone = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]});
    volume["spec"] =
        json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}}});
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    for message in [
        "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
        "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.",
    ] {
        let pod = pending("job", json!({"containers": [], "volumes": volumes}), message);
        let node = node("n1", json!({"topology.kubernetes.io/zone": "a"}), json!([]));
        let answer = Recorded::new(&[claim.clone(), volume.clone(), pod, node]).ask("job");
        assert!(answer.contains("its claim data is bound to a volume that only nodes with topology.kubernetes.io/zone In [b] can use"), "{answer}");
        assert!(answer.contains("no node can use volume pv-7"), "{answer}");
    }
}

#[test]
fn the_pod_of_a_daemon_set_lacks_room_on_its_own_node() {
    let field = json!({"key": "metadata.name", "operator": "In", "values": ["n1"]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchFields": [field]}]}}});
    let mut spec = asks("3");
    spec["affinity"] = affinity;
    let message =
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.";
    let objects = [
        node("n1", json!({}), json!([])),
        node("n2", json!({}), json!([])),
        placed("db", "other", "2", "Running"),
        pending("agent", spec, message),
    ];
    let answer = Recorded::new(&objects).ask("agent");
    assert!(
        answer.contains(
            "no node that it may use has enough free cpu: it requests cpu 3, the most free on one node is 2"
        ),
        "{answer}"
    );
}

#[test]
fn a_gate_and_the_first_seconds_are_no_fault() {
    let gated = pod(
        "job",
        json!({}),
        json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "x"}]}),
    );
    let answer = Recorded::new(&[gated]).ask("job");
    assert!(!answer.contains("unschedulable"), "{answer}");
    let mut young = pending("job", json!({}), AFFINITY);
    young["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-24T11:59:55Z".into();
    let answer = Recorded::new(&[young]).ask("job");
    assert!(!answer.contains("unschedulable"), "{answer}");
}

#[test]
fn the_words_of_the_scheduler_that_no_node_explains_are_told_apart() {
    for (words, summary) in [
        (
            "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded",
            "its volume was not bound in time",
        ),
        ("1 cannot allocate all claims", "the devices that its ResourceClaim asks for"),
        ("1 resource claim not found", "the devices that its ResourceClaim asks for"),
        ("1 node(s) were unschedulable", "nodes are cordoned"),
        ("no nodes available to schedule pods", "the cluster has no node"),
        ("1 node(s) exceed max volume count", "no node can attach one more volume"),
        ("1 node(s) did not have enough free storage", "no node has enough free storage for its claim"),
        ("1 node(s) had a bad day", "no node can take it"),
        (
            "1 node(s) unavailable due to PersistentVolumeClaim with non-existent pv",
            "a volume that does not exist",
        ),
        (
            "1 node(s) didn't find available persistent volumes to bind",
            "no volume that is free fits its claim",
        ),
    ] {
        let message = format!("0/1 nodes are available: {words}.");
        one(json!({"containers": []}), &message).assert_found(&RULE, summary);
    }
}

#[test]
fn the_pod_of_a_daemon_set_whose_node_does_not_fit_is_less_than_certain() {
    let field = json!({"key": "metadata.name", "operator": "In", "values": ["n9"]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchFields": [field]}]}}});
    let answer = one(json!({"containers": [], "affinity": affinity}), AFFINITY).ask("job");
    assert!(
        answer.contains(
            "cause 1 (likely) [unschedulable] Pod shop/job: its node does not exist, or does not fit"
        ),
        "{answer}"
    );
}

/// A claim that waits for its pod is affected; one that is bound, or that the pod waits for, is not.
#[test]
fn a_claim_waits_for_a_pod_only_if_its_class_does() {
    let is_affected = |phase: &str, mode: &str, words: &str| {
        let mut claim = object("PersistentVolumeClaim", "data");
        claim["spec"] = json!({"storageClassName": "c"});
        claim["status"] = json!({"phase": phase});
        let mut class = object("StorageClass", "c");
        class["volumeBindingMode"] = mode.into();
        let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
        let pod = pending("job", json!({"containers": [], "volumes": volumes}), words);
        let facts = Recorded::new(&[claim, class, pod]).facts();
        let findings = (RULE.find)(&facts);
        findings[0].affects.iter().any(|object| object.kind == Kind::PersistentVolumeClaim)
    };
    let (cpu, late) = ("0/1 nodes are available: 1 Insufficient cpu.", "WaitForFirstConsumer");
    for (phase, mode, words, expected) in [
        ("Pending", late, cpu, true),
        ("Bound", late, cpu, false),
        ("Pending", "Immediate", cpu, false),
        ("Pending", late, "pod has unbound immediate PersistentVolumeClaims", false),
    ] {
        assert_eq!(is_affected(phase, mode, words), expected, "{phase} {mode} {words}");
    }
}

#[test]
fn the_next_step_is_about_what_keeps_the_pod_off() {
    for (words, next) in [
        ("1 Insufficient cpu", "correct what the pod asks for"),
        ("1 node(s) were unschedulable", "mend or uncordon the nodes"),
        ("1 node(s) didn't find available persistent volumes to bind", "see the claim"),
    ] {
        let message = format!("0/1 nodes are available: {words}.");
        let findings = (RULE.find)(&one(json!({"containers": []}), &message).facts());
        assert!(findings[0].next.starts_with(next), "{}", findings[0].next);
    }
}
