//! nodes_list: the nodes and how they are.

use std::collections::BTreeMap;

use porthole_sdk::{prelude::*, quantity, tool};

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    creation_timestamp: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Vec<Condition>,
    addresses: Vec<Address>,
    allocatable: BTreeMap<String, String>,
    node_info: NodeInfo,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Address {
    r#type: String,
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.creationTimestamp",
    "metadata.labels",
    "spec.unschedulable",
    "spec.taints",
    "status.conditions[].type",
    "status.conditions[].status",
    "status.addresses",
    "status.allocatable.cpu",
    "status.allocatable.memory",
    "status.nodeInfo.kubeletVersion",
];
const ROLE: &str = "node-role.kubernetes.io/";
/// Conditions that are unhealthy when true; the meaning of any other is unknown.
const UNHEALTHY: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

impl Node {
    fn status(&self) -> String {
        let is = |ty: &str| self.status.conditions.iter().find(|condition| condition.r#type == ty);
        let mut words = vec![match is("Ready").map(|condition| condition.status.as_str()) {
            Some("True") => "Ready".to_owned(),
            Some("False") => "NotReady".to_owned(),
            _ => "Unknown".to_owned(),
        }];
        words.extend(
            UNHEALTHY
                .iter()
                .filter(|ty| is(ty).is_some_and(|c| c.status == "True"))
                .map(|ty| (*ty).to_owned()),
        );
        if self.spec.unschedulable {
            words.push("SchedulingDisabled".to_owned());
        }
        words.join(",")
    }

    fn row(&self) -> Row {
        let Self { metadata, spec, status } = self;
        let roles: Vec<&str> = metadata.labels.keys().filter_map(|label| label.strip_prefix(ROLE)).collect();
        let address = status.addresses.iter().find(|address| address.r#type == "InternalIP");
        let taints: Vec<String> = spec
            .taints
            .iter()
            .map(|Taint { key, value, effect }| match value.as_str() {
                "" => format!("{key}:{effect}"),
                value => format!("{key}={value}:{effect}"),
            })
            .collect();
        let allocatable = |name: &str| status.allocatable.get(name).cloned().unwrap_or_default();
        let memory = allocatable("memory");
        let memory = quantity::of_resource("memory", &memory).into_owned();
        let summary = self.status();
        let cells = vec![
            metadata.name.clone(),
            summary.clone(),
            roles.join(","),
            age(&metadata.creation_timestamp),
            status.node_info.kubelet_version.clone(),
            address.map(|address| address.address.clone()).unwrap_or_default(),
            allocatable("cpu"),
            memory,
            taints.join(","),
        ];
        Row {
            name: metadata.name.clone(),
            cells,
            healthy: summary == "Ready",
            status: summary,
            ..Row::default()
        }
    }
}

const HEADER: [&str; 9] =
    ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "CPU", "MEMORY", "TAINTS"];

/// Nodes: status (Ready, NotReady, cordoned, pressures), roles, kubelet version, address, allocatable CPU and
/// memory, taints.
#[tool(title = "List nodes", reads(list("nodes")))]
fn nodes_list(list: ListArguments) -> Answer {
    let columns =
        Columns { fields: FIELDS, header: &HEADER, row: Node::row, newest_first: false, outlined: false };
    List { kind: kind("nodes"), namespace: None, noun: "nodes".into() }.rows(&list, &columns)
}
