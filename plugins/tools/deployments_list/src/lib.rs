//! deployments_list: deployments and how complete they are.

use porthole_sdk::{pod::Metadata, prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Default: all namespaces
    namespace: Option<String>,
    #[argument(flatten)]
    list: ListArguments,
}

#[derive(Deserialize)]
struct Deployment {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    replicas: u32,
    paused: bool,
    template: Template,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    ready_replicas: u32,
    updated_replicas: u32,
    available_replicas: u32,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
}

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "spec.replicas",
    "spec.paused",
    "spec.template.spec.containers[].image",
    "status.readyReplicas",
    "status.updatedReplicas",
    "status.availableReplicas",
    "status.conditions[].type",
    "status.conditions[].status",
    "status.conditions[].reason",
];

impl Deployment {
    /// Reasons that a rollout is stuck: ProgressDeadlineExceeded, FailedCreate, paused.
    fn blockers(&self) -> String {
        let is_blocker = |condition: &&Condition| match condition.r#type.as_str() {
            "Progressing" => condition.status == "False",
            "ReplicaFailure" => condition.status == "True",
            _ => false,
        };
        let mut reasons: Vec<&str> = self
            .status
            .conditions
            .iter()
            .filter(is_blocker)
            .map(|condition| condition.reason.as_str())
            .collect();
        if self.spec.paused {
            reasons.push("paused");
        }
        reasons.join(",")
    }
}

const HEADER: [&str; 7] = ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "HELD-UP-BY", "AGE", "IMAGES"];

fn row(deployment: &Deployment) -> Row {
    let Deployment { metadata, spec, status } = deployment;
    let images: Vec<&str> =
        spec.template.spec.containers.iter().map(|container| container.image.as_str()).collect();
    let blockers = deployment.blockers();
    let complete = status.ready_replicas >= spec.replicas && status.updated_replicas >= spec.replicas;
    let healthy = complete && blockers.is_empty();
    let summary = match (healthy, spec.replicas) {
        (false, _) => "not complete",
        (true, 0) => "scaled to 0",
        (true, _) => "complete",
    };
    let cells = vec![
        metadata.name.clone(),
        format!("{}/{}", status.ready_replicas, spec.replicas),
        status.updated_replicas.to_string(),
        status.available_replicas.to_string(),
        blockers,
        age(&metadata.creation_timestamp),
        images.join(","),
    ];
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    Row { namespace, name, cells, status: summary.to_owned(), healthy, time: 0 }
}

/// Deployments, those that are not complete first: ready, up-to-date and available replicas, what holds a rollout
/// up, images.
#[tool(title = "List deployments", reads(list("apps": "deployments")))]
fn deployments_list(request: Request) -> Answer {
    let namespace = request.namespace.clone();
    let columns = Columns { fields: FIELDS, header: &HEADER, row, newest_first: false, outlined: false };
    List { kind: kind("deployments.apps"), namespace, noun: "deployments".into() }
        .rows(&request.list, &columns)
}
