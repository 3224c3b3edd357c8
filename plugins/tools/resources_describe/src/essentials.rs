//! The settings of an object without what is always the same, said elsewhere, or too long to read.

use std::borrow::Cow;

use porthole_sdk::{prelude::*, quantity};
use serde_json::{Map, json};

/// Max bytes of a text; a longer one is replaced by its size: the values of a ConfigMap, certificates, scripts.
const MAX_TEXT: usize = 300;
/// Bytes shown of a longer text.
const EXCERPT: usize = 60;
/// Max items of a list; a longer one ends with its length.
const MAX_ITEMS: usize = 40;

/// Fields omitted at any depth: they repeat other fields, or only machines read them.
const NOISE: [&str; 32] = [
    "uid",
    "resourceVersion",
    "generation",
    "observedGeneration",
    "generateName",
    "ownerReferences",
    "creationTimestamp",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "enableServiceLinks",
    "serviceAccount",
    "containerID",
    "imageID",
    "allocatedResources",
    "podIPs",
    "hostIPs",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "internalTrafficPolicy",
    "collisionCount",
    "lastProbeTime",
    "finalizers",
    "selfLink",
    "pod-template-hash",
    "images",
    "machineID",
    "bootID",
    "systemUUID",
    "kubeProxyVersion",
    "daemonEndpoints",
    "podCIDRs",
];

/// Values that the API server fills in; only another one tells something.
fn is_default(key: &str, value: &Value) -> bool {
    let usual = match key {
        "dnsPolicy" => json!("ClusterFirst"),
        "schedulerName" => json!("default-scheduler"),
        "restartPolicy" => json!("Always"),
        "imagePullPolicy" => json!("IfNotPresent"),
        "protocol" => json!("TCP"),
        "terminationGracePeriodSeconds" => json!(30),
        "priority" => json!(0),
        "preemptionPolicy" => json!("PreemptLowerPriority"),
        "sessionAffinity" => json!("None"),
        "progressDeadlineSeconds" => json!(600),
        "revisionHistoryLimit" => json!(10),
        "defaultMode" => json!(420),
        "podManagementPolicy" => json!("OrderedReady"),
        "volumeMode" => json!("Filesystem"),
        "suspend" | "immutable" => json!(false),
        "strategy" => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        }
        "loadBalancer"
        | "securityContext"
        | "resources"
        | "labels"
        | "annotations"
        | "spec"
        | "status"
        | "uncountedTerminatedPods" => json!({}),
        "successThreshold" | "timeoutSeconds" => json!(1),
        "failureThreshold" => json!(3),
        "periodSeconds" => json!(10),
        "scheme" => json!("HTTP"),
        _ => return false,
    };
    *value == usual
}

/// The object without its name, kind and noise.
pub(crate) fn reduce(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
            metadata.remove("namespace");
        }
    }
    without_noise(object).unwrap_or_else(|| Value::Object(Map::new()))
}

/// Bytes from which a limit is none: kubelets report 2^63 for a container without one.
const UNLIMITED: f64 = 1_152_921_504_606_846_976.0;

/// Bytes of a resource in the units of people, and nothing for no limit.
fn readable(key: &str, value: Value) -> Value {
    let Some(text) = value.as_str() else { return value };
    match quantity::of_resource(key, text) {
        Cow::Owned(_) if quantity::parse(text).is_some_and(|bytes| bytes >= UNLIMITED) => Value::Null,
        Cow::Owned(readable) => readable.into(),
        Cow::Borrowed(_) => value,
    }
}

/// None where nothing is left.
fn without_noise(value: Value) -> Option<Value> {
    match value {
        // What is empty from the start says something: a selector of all pods, a rule for any peer, a volume of a type.
        Value::Object(fields) if fields.is_empty() => Some(Value::Object(fields)),
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .into_iter()
                .filter(|(key, value)| !NOISE.contains(&key.as_str()) && !is_default(key, value))
                .filter_map(|(key, value)| {
                    let value = match readable(&key, value) {
                        Value::Array(mut metrics) if key == "currentMetrics" => {
                            metrics.retain(|metric| !is_unknown(metric));
                            Value::Array(metrics)
                        }
                        value => value,
                    };
                    Some((key, without_noise(value)?))
                })
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let count = items.len();
            let mut kept: Vec<Value> = items
                .into_iter()
                .filter(|item| !is_made_by_the_cluster(item))
                .filter_map(without_noise)
                .collect();
            if kept.len() > MAX_ITEMS {
                kept.truncate(MAX_ITEMS);
                kept.push(json!(format!("… {count} in all")));
            }
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::String(text) if text.len() > MAX_TEXT => {
            let beginning = text.get(..text.floor_char_boundary(EXCERPT)).unwrap_or_default();
            let beginning = beginning.split_whitespace().collect::<Vec<_>>().join(" ");
            Some(json!(format!("<{} bytes: {beginning}…>", text.len())))
        }
        Value::Null => None,
        other => Some(other),
    }
}

/// True for a metric that an autoscaler does not have yet.
fn is_unknown(metric: &Value) -> bool {
    metric.get("type").and_then(Value::as_str) == Some("")
}

/// The token's volume, its mounts, and the tolerations that every pod is given.
fn is_made_by_the_cluster(item: &Value) -> bool {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    let key = item.get("key").and_then(Value::as_str).unwrap_or_default();
    name.starts_with("kube-api-access-")
        || (matches!(key, "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
            && item.get("tolerationSeconds").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_from_the_start_stays_and_what_is_left_empty_does_not() {
        let policy = json!({
            "metadata": {"name": "all", "uid": "1", "annotations": {}},
            "spec": {"podSelector": {}, "ingress": [{}], "egress": [], "template": {"dnsPolicy": "ClusterFirst"}},
            "status": {"currentMetrics": [{"type": ""}], "loadBalancer": {}},
        });
        assert_eq!(reduce(policy), json!({"spec": {"podSelector": {}, "ingress": [{}]}}));
        assert_eq!(reduce(json!({"spec": {}, "status": {}})), json!({}));
        let custom = json!({"spec": {"rules": [{"type": "", "port": 80}]}});
        assert_eq!(reduce(custom.clone()), custom);
    }

    #[test]
    fn memory_is_in_the_units_of_people() {
        for (key, text, expected) in [
            ("memory", "24632456Ki", json!("23.5Gi")),
            // As a person wrote it.
            ("memory", "1536Mi", json!("1536Mi")),
            ("cpu", "16000", json!("16000")),
            ("memory", "9007199254740988Ki", Value::Null),
        ] {
            assert_eq!(readable(key, text.into()), expected, "{key}: {text}");
        }
    }
}
