//! Pods as far as a list tells them, and the one word for how a pod is that `kubectl get` shows.

use serde::Deserialize;

use crate::{Columns, Row, age, parse_time};

/// The fields that a row needs.
pub const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
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
        // A sidecar is an init container that goes on running, and counts among the containers.
        let sidecars =
            self.status.init_container_statuses.iter().filter(|status| self.is_sidecar(&status.name));
        let ready = self
            .status
            .container_statuses
            .iter()
            .chain(sidecars.clone())
            .filter(|status| status.ready)
            .count();
        let all = self.spec.containers.len()
            + self
                .spec
                .init_containers
                .iter()
                .filter(|container| container.restart_policy == "Always")
                .count();
        let restarts: u64 =
            self.status.container_statuses.iter().chain(sidecars).map(|status| status.restart_count).sum();
        let images: Vec<&str> =
            self.spec.containers.iter().map(|container| container.image.as_str()).collect();
        let status = self.status();
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
        let Metadata { name, namespace, .. } = &self.metadata;
        Row { namespace: namespace.clone(), name: name.clone(), cells, status: counted, healthy, time: 0 }
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
        let status = row.status.as_str();
        let fails = ["Error", "Err", "BackOff", "OOMKilled", "ExitCode", "Signal", "Invalid", "Never"];
        match status {
            _ if row.healthy => 0,
            "Terminating" => 1,
            _ if fails.iter().any(|word| status.contains(word)) => 4,
            "Running but not ready" | "Evicted" | "Unknown" => 3,
            _ => 2,
        }
    }

    /// The times that its containers were started again.
    pub fn restarts(&self) -> u64 {
        self.status.container_statuses.iter().map(|status| status.restart_count).sum()
    }

    /// The text of the column STATUS, by the rules of `kubectl get` (printPod in kubernetes/pkg/printers).
    pub fn status(&self) -> String {
        let mut text = if self.status.reason.is_empty() {
            self.status.phase.clone()
        } else {
            self.status.reason.clone()
        };
        let gated = |condition: &Condition| {
            condition.r#type == "PodScheduled" && condition.reason == "SchedulingGated"
        };
        if self.status.conditions.iter().any(gated) {
            text = "SchedulingGated".to_owned();
        }
        match self.initializing() {
            Some(init) => text = init,
            None => text = self.containers_status(text),
        }
        // Last: phase and reason of a pod stay as they were while it is deleted.
        if self.metadata.deletion_timestamp.as_deref().and_then(parse_time).is_some() {
            return if self.status.reason == "NodeLost" {
                "Unknown".to_owned()
            } else {
                "Terminating".to_owned()
            };
        }
        text
    }

    /// The status of the first init container that has not ended.
    fn initializing(&self) -> Option<String> {
        for (at, status) in self.status.init_container_statuses.iter().enumerate() {
            let state = &status.state;
            if state.terminated.as_ref().is_some_and(|terminated| terminated.exit_code == 0) {
                continue;
            }
            if self.is_sidecar(&status.name) && status.started == Some(true) {
                continue;
            }
            return Some(match (&state.terminated, &state.waiting) {
                (Some(terminated), _) => format!("Init:{}", terminated.summary()),
                (None, Some(waiting))
                    if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" =>
                {
                    format!("Init:{}", waiting.reason)
                }
                _ => format!("Init:{at}/{}", self.spec.init_containers.len()),
            });
        }
        None
    }

    fn containers_status(&self, mut text: String) -> String {
        let mut running = false;
        // From the last on, so that the first container with a reason has the last word.
        for status in self.status.container_statuses.iter().rev() {
            match (&status.state.waiting, &status.state.terminated) {
                (Some(waiting), _) if !waiting.reason.is_empty() => text = waiting.reason.clone(),
                (_, Some(terminated)) => text = terminated.summary(),
                _ => running |= status.ready && status.state.running.is_some(),
            }
        }
        if text == "Completed" && running {
            let is_ready = |condition: &Condition| condition.r#type == "Ready" && condition.status == "True";
            text =
                if self.status.conditions.iter().any(is_ready) { "Running" } else { "NotReady" }.to_owned();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> String {
        serde_json::from_str::<Pod>(json).map(|pod| pod.status()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn the_word_is_that_of_kubectl() {
        for (pod, expected) in [
            (
                r#"{"status":{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{"startedAt":"x"}}}]}}"#,
                "Running",
            ),
            (
                r#"{"status":{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}"#,
                "CrashLoopBackOff",
            ),
            (r#"{"status":{"phase":"Failed","reason":"Evicted"}}"#, "Evicted"),
            (
                r#"{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}}"#,
                "ExitCode:3",
            ),
            (
                r#"{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}}"#,
                "OOMKilled",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending","initContainerStatuses":[
                {"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","state":{"running":{}}}]}}"#,
                "Init:1/2",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}]},"status":{"initContainerStatuses":[{"name":"a","state":{"waiting":{"reason":"ErrImagePull"}}}]}}"#,
                "Init:ErrImagePull",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}]},"status":{"phase":"Running",
                "initContainerStatuses":[{"name":"s","started":true,"state":{"running":{}}}]}}"#,
                "Running",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}}"#,
                "Terminating",
            ),
            (
                r#"{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}}"#,
                "SchedulingGated",
            ),
            (
                r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[
                {"state":{"terminated":{"reason":"Completed","exitCode":0}}},{"ready":true,"state":{"running":{}}}]}}"#,
                "Running",
            ),
        ] {
            assert_eq!(status(pod), expected, "{pod}");
        }
    }
}
