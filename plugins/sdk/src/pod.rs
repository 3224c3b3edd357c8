//! Pods as far as a list tells them, and the one word for how a pod is that `kubectl get` shows.

use std::time::UNIX_EPOCH;

use serde::Deserialize;

mod folding;
mod printed;

use printed::Printed;

use crate::{Columns, Row, age, parse_time};
pub use folding::FOLD;

/// The fields that a row needs.
pub const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.ownerReferences[].kind",
    "metadata.ownerReferences[].name",
    "metadata.ownerReferences[].uid",
    "metadata.ownerReferences[].controller",
    "spec.nodeName",
    "spec.containers[].image",
    "spec.initContainers[].name",
    "spec.initContainers[].restartPolicy",
    "status.phase",
    "status.reason",
    "status.conditions[].type",
    "status.conditions[].status",
    "status.conditions[].reason",
    "status.containerStatuses[].ready",
    "status.containerStatuses[].restartCount",
    "status.containerStatuses[].state",
    "status.initContainerStatuses[].name",
    "status.initContainerStatuses[].ready",
    "status.initContainerStatuses[].started",
    "status.initContainerStatuses[].restartCount",
    "status.initContainerStatuses[].state",
];

/// The columns of a list of pods, without the namespace.
pub const HEADER: [&str; 7] = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE", "IMAGES"];

/// A pod.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Pod {
    /// Its name, namespace and times.
    pub metadata: Metadata,
    spec: Spec,
    status: Status,
}

/// The part of an object's metadata that lists show.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    /// RFC 3339.
    pub creation_timestamp: String,
    /// RFC 3339; set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    /// Objects that it belongs to.
    pub owner_references: Vec<Owner>,
}

/// An object that another one belongs to.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Owner {
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The identity: another object may have had the name, and a reference may be forged.
    pub uid: String,
    /// True for the one that manages it; false for others, and of fields that were not read.
    pub controller: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<InitContainer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct InitContainer {
    name: String,
    restart_policy: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    reason: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    ready: bool,
    started: Option<bool>,
    restart_count: u64,
    state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Waiting {
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    exit_code: i32,
    signal: i32,
}

impl Terminated {
    fn summary(&self) -> String {
        match (self.reason.as_str(), self.signal) {
            ("", 0) => format!("ExitCode:{}", self.exit_code),
            ("", signal) => format!("Signal:{signal}"),
            (reason, _) => reason.to_owned(),
        }
    }
}

/// The columns of lists of pods.
pub const COLUMNS: Columns<'static, Pod> =
    Columns { fields: FIELDS, header: &HEADER, row: Pod::row, newest_first: false, outlined: true };

impl Pod {
    /// The cells under [`HEADER`].
    pub fn row(&self) -> Row {
        let Printed { ready, all, restarts, status } = Printed::of(self);
        let images: Vec<&str> =
            self.spec.containers.iter().map(|container| container.image.as_str()).collect();
        let (counted, healthy) = match status.as_str() {
            "Running" if ready == all => (status.clone(), true),
            "Running" => ("Running but not ready".to_owned(), false),
            "Completed" | "Succeeded" => (status.clone(), true),
            _ => (status.clone(), false),
        };
        let cells = vec![
            self.metadata.name.clone(),
            format!("{ready}/{all}"),
            status,
            restarts.to_string(),
            age(&self.metadata.creation_timestamp),
            self.spec.node_name.clone(),
            images.join(","),
        ];
        let Metadata { name, namespace, creation_timestamp, .. } = &self.metadata;
        let since_epoch =
            parse_time(creation_timestamp).and_then(|created| created.duration_since(UNIX_EPOCH).ok());
        let time = since_epoch.map_or(0, |since| since.as_secs());
        Row { namespace: namespace.clone(), name: name.clone(), cells, status: counted, healthy, time }
    }

    fn is_condition_true(&self, r#type: &str) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.r#type == r#type && condition.status == "True")
    }

    fn is_sidecar(&self, name: &str) -> bool {
        self.spec
            .init_containers
            .iter()
            .any(|container| container.name == name && container.restart_policy == "Always")
    }

    /// Severity of the pod's state: what fails comes before what waits, and that before what ends. 0: not at all.
    pub fn severity(&self) -> u32 {
        let row = self.row();
        if row.healthy { 0 } else { severity(&row.status) }
    }

    /// The number in the column RESTARTS of `kubectl get`.
    pub fn restarts(&self) -> u64 {
        Printed::of(self).restarts
    }

    /// The text of the column STATUS of `kubectl get`.
    pub fn status(&self) -> String {
        Printed::of(self).status
    }
}

/// The severity of a status by which an unhealthy pod is counted.
fn severity(status: &str) -> u32 {
    let fails = ["Error", "Err", "BackOff", "OOMKilled", "ExitCode", "Signal", "Invalid", "Never"];
    match status {
        "Terminating" => 1,
        _ if fails.iter().any(|word| status.contains(word)) => 4,
        "Running but not ready" | "Evicted" | "Unknown" => 3,
        _ => 2,
    }
}
