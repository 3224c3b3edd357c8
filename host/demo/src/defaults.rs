//! Defaults that the API server fills in, so that manifests can be as short as for `kubectl apply`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{kinds::Kind, objects::uid, timestamps};

/// Default creation time.
const DEFAULT_AGE: &str = "$now-21d";

pub(crate) fn fill(object: &mut Value, kind: &Kind) {
    if kind.namespaced && !object["metadata"]["namespace"].is_string() {
        object["metadata"]["namespace"] = "default".into();
    }
    let namespace = text(&object["metadata"]["namespace"]);
    let name = text(&object["metadata"]["name"]);
    let mut created = Value::String(DEFAULT_AGE.to_owned());
    // Cannot fail: the constant is valid.
    let _ = timestamps::fill(&mut created, timestamps::now());
    set(
        object,
        &["metadata"],
        json!({"uid": uid(&kind.kind, &namespace, &name), "creationTimestamp": created}),
    );
    for owner in items_mut(object, "/metadata/ownerReferences") {
        let id = uid(&text(&owner["kind"]), &namespace, &text(&owner["name"]));
        set(owner, &[], json!({"uid": id, "controller": true, "blockOwnerDeletion": true}));
    }
    match kind.kind.as_str() {
        "Namespace" => {
            set(object, &["metadata", "labels"], json!({"kubernetes.io/metadata.name": name}));
            set(object, &["spec"], json!({"finalizers": ["kubernetes"]}));
            set(object, &["status"], json!({"phase": "Active"}));
        }
        "Pod" => {
            pod_spec(object, &["spec"]);
            let class = qos(&object["spec"]);
            set(object, &["status"], json!({"phase": "Pending", "qosClass": class}));
            set(
                object,
                &["spec"],
                json!({"tolerations": [
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                ]}),
            );
            for (one, all) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
                if let Some(ip) = object["status"].get(one).cloned() {
                    set(object, &["status"], json!({all: [{"ip": ip}]}));
                }
            }
            conditions(object);
            let uid = text(&object["metadata"]["uid"]);
            for status in items_mut(object, "/status/containerStatuses") {
                name_uid(status.pointer_mut("/state/waiting/message"), &uid);
            }
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
            set(object, &["metadata"], json!({"generation": 1}));
            pod_spec(object, &["spec", "template", "spec"]);
            if kind.kind == "Job" {
                let uid = object["metadata"]["uid"].clone();
                set(
                    object,
                    &["spec"],
                    json!({"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}}),
                );
            }
            if kind.kind == "Deployment" {
                set(
                    object,
                    &["spec"],
                    json!({"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
                    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}),
                );
            }
        }
        "Service" => {
            set(
                object,
                &["spec"],
                json!({"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
            );
            set(object, &["status"], json!({"loadBalancer": {}}));
            for port in items_mut(object, "/spec/ports") {
                let target = port["port"].clone();
                set(port, &[], json!({"protocol": "TCP", "targetPort": target}));
            }
        }
        "Secret" => secret(object),
        "Event" if kind.group.is_empty() => event(object, &namespace),
        _ => {}
    }
}

/// Fills a message of the kubelet in, which names a pod by its uid, too: `$uid` in a manifest.
fn name_uid(message: Option<&mut Value>, uid: &str) {
    if let Some(Value::String(message)) = message {
        *message = message.replace("$uid", uid);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Array elements at a JSON pointer. Unlike indexing, it never inserts null, which Kubernetes clients do not expect.
fn items_mut<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Sets the missing fields.
fn set(object: &mut Value, path: &[&str], defaults: Value) {
    let mut place = object;
    for part in path {
        if !place[*part].is_object() {
            place[*part] = Value::Object(Map::new());
        }
        place = &mut place[*part];
    }
    if let (Some(place), Value::Object(defaults)) = (place.as_object_mut(), defaults) {
        for (field, value) in defaults {
            place.entry(field).or_insert(value);
        }
    }
}

fn pod_spec(object: &mut Value, path: &[&str]) {
    set(
        object,
        path,
        json!({"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            "serviceAccountName": "default", "serviceAccount": "default", "terminationGracePeriodSeconds": 30,
            "enableServiceLinks": true, "securityContext": {}}),
    );
    for containers in ["initContainers", "containers"] {
        for container in items_mut(object, &format!("/{}/{containers}", path.join("/"))) {
            set(
                container,
                &[],
                json!({"imagePullPolicy": "IfNotPresent", "resources": {}, "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"}),
            );
        }
    }
}

/// Quality of service class, derived from requests and limits.
fn qos(spec: &Value) -> &'static str {
    let containers: Vec<&Value> =
        ["initContainers", "containers"].iter().filter_map(|of| spec[*of].as_array()).flatten().collect();
    let empty = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    let resources = || containers.iter().map(|container| &container["resources"]);
    if resources().all(|resources| empty(&resources["requests"]) && empty(&resources["limits"])) {
        return "BestEffort";
    }
    let guaranteed = |resources: &Value| {
        ["cpu", "memory"].iter().all(|of| {
            let limit = &resources["limits"][*of];
            limit.is_string()
                && (resources["requests"][*of].is_null() || resources["requests"][*of] == *limit)
        })
    };
    if resources().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

/// Derives the missing conditions of a pod from its containers' states.
fn conditions(pod: &mut Value) {
    let status = &pod["status"];
    let Some(containers) = status["containerStatuses"].as_array() else { return };
    if status["conditions"].is_array() {
        return;
    }
    let unready: Vec<&str> = containers
        .iter()
        .filter(|status| status["ready"] != true)
        .filter_map(|status| status["name"].as_str())
        .collect();
    let (started, ended) =
        (&status["startTime"], matches!(status["phase"].as_str(), Some("Failed" | "Succeeded")));
    let holds = |ty: &str, holds: bool| {
        let mut condition = json!({"type": ty, "status": if holds { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": started});
        if !holds && ty != "PodReadyToStartContainers" {
            let reason = match status["phase"].as_str() {
                Some("Failed") => "PodFailed",
                Some("Succeeded") => "PodCompleted",
                _ => "ContainersNotReady",
            };
            condition["reason"] = reason.into();
            if !ended {
                condition["message"] =
                    format!("containers with unready status: [{}]", unready.join(" ")).into();
            }
        }
        condition
    };
    let ready = unready.is_empty();
    let mut initialized = holds("Initialized", true);
    if status["phase"] == "Succeeded" {
        initialized["reason"] = "PodCompleted".into();
    }
    pod["status"]["conditions"] = json!([
        holds("PodReadyToStartContainers", !ended),
        initialized,
        holds("Ready", ready),
        holds("ContainersReady", ready),
        holds("PodScheduled", true),
    ]);
}

fn secret(object: &mut Value) {
    let clear = object["stringData"].as_object().cloned().unwrap_or_default();
    if let Some(object) = object.as_object_mut() {
        object.remove("stringData");
    }
    for (key, value) in clear {
        set(object, &["data"], json!({key: STANDARD.encode(text(&value))}));
    }
    set(object, &[], json!({"type": "Opaque"}));
}

fn event(object: &mut Value, namespace: &str) {
    let about = &object["involvedObject"];
    let (kind, name) = (text(&about["kind"]), text(&about["name"]));
    let place = if about["namespace"].is_string() { text(&about["namespace"]) } else { namespace.to_owned() };
    // Nodes have no namespace; their events are in `default`.
    let of = if kind == "Node" { "" } else { place.as_str() };
    let uid = uid(&kind, of, &name);
    name_uid(object.pointer_mut("/message"), &uid);
    set(object, &["involvedObject"], json!({"uid": uid}));
    if kind != "Node" {
        set(object, &["involvedObject"], json!({"namespace": place}));
    }
    let last = match &object["lastTimestamp"] {
        Value::Null => object["eventTime"].clone(),
        last => last.clone(),
    };
    if !last.is_null() {
        object["metadata"]["creationTimestamp"] = match &object["firstTimestamp"] {
            Value::Null => last,
            first => first.clone(),
        };
    }
}
