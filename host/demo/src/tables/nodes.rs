//! Columns of nodes, namespaces and events.

use serde_json::Value;

use super::{
    Printer,
    cells::{age, items, name, number, or_none, text},
};
use crate::timestamps;

pub(super) const NODES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Status", 0),
        ("Roles", 0),
        ("Age", 0),
        ("Version", 0),
        ("Internal-IP", 1),
        ("External-IP", 1),
        ("OS-Image", 1),
        ("Kernel-Version", 1),
        ("Container-Runtime", 1),
    ],
    cells: |node, now| {
        let ready = items(node, "/status/conditions").find(|condition| condition["type"] == "Ready");
        let mut status = match ready.and_then(|condition| condition["status"].as_str()) {
            Some("True") => "Ready".to_owned(),
            Some(_) => "NotReady".to_owned(),
            None => "Unknown".to_owned(),
        };
        if node["spec"]["unschedulable"] == true {
            status.push_str(",SchedulingDisabled");
        }
        let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
        let roles: Vec<&str> =
            labels.filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/")).collect();
        let address = |ty: &str| {
            let mut addresses = items(node, "/status/addresses").filter(|address| address["type"] == ty);
            let address = addresses.next().map(|address| text(address, "/address"));
            super::cells::none_if_empty(address.unwrap_or_default())
        };
        let unknown = |pointer: &str| match text(node, pointer) {
            empty if empty.is_empty() => Value::from("<unknown>"),
            known => known.into(),
        };
        vec![
            name(node),
            status.into(),
            super::cells::none_if_empty(roles.join(",")),
            age(node, now),
            text(node, "/status/nodeInfo/kubeletVersion").into(),
            address("InternalIP"),
            address("ExternalIP"),
            unknown("/status/nodeInfo/osImage"),
            unknown("/status/nodeInfo/kernelVersion"),
            unknown("/status/nodeInfo/containerRuntimeVersion"),
        ]
    },
};

pub(super) const NAMESPACES: Printer = Printer {
    columns: &[("Name", 0), ("Status", 0), ("Age", 0)],
    cells: |namespace, now| {
        vec![name(namespace), text(namespace, "/status/phase").into(), age(namespace, now)]
    },
};

pub(super) const EVENTS: Printer = Printer {
    columns: &[
        ("Last Seen", 0),
        ("Type", 0),
        ("Reason", 0),
        ("Object", 0),
        ("Subobject", 1),
        ("Source", 1),
        ("Message", 0),
        ("First Seen", 1),
        ("Count", 1),
        ("Name", 1),
    ],
    cells: |event, now| {
        let since = |pointers: &[&str]| {
            let mut found =
                pointers.iter().filter_map(|pointer| event.pointer(pointer)).filter(|time| time.is_string());
            Value::from(timestamps::age(found.next().unwrap_or(&Value::Null), now))
        };
        let count = match event.pointer("/series/count").and_then(Value::as_i64) {
            Some(count) => count,
            None => number(event, "/count").max(1),
        };
        let kind = text(event, "/involvedObject/kind").to_lowercase();
        let parts = |first: &str, second: &str| {
            let parts = [text(event, first), text(event, second)];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let source = match parts("/source/component", "/source/host") {
            empty if empty.is_empty() => parts("/reportingComponent", "/reportingInstance"),
            source => source,
        };
        vec![
            since(&["/series/lastObservedTime", "/lastTimestamp", "/firstTimestamp", "/eventTime"]),
            text(event, "/type").into(),
            text(event, "/reason").into(),
            format!("{kind}/{}", text(event, "/involvedObject/name")).into(),
            text(event, "/involvedObject/fieldPath").into(),
            source.into(),
            text(event, "/message").trim().into(),
            since(&["/firstTimestamp", "/eventTime"]),
            count.into(),
            or_none(event, "/metadata/name"),
        ]
    },
};
