//! deployments_list: deployments and how complete they are.

use porthole_sdk::{pod::Metadata, prelude::*};

list_arguments! {
    /// Only this namespace; all namespaces where left out.
    namespace: Option<String>,
}

tool! {
    name: "deployments_list",
    title: "List deployments",
    summary: "Deployments with ready, up-to-date and available replicas, what holds a rollout up, age and images.",
    reads: [list "apps" "deployments"],
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
    /// Why a rollout does not go on: ProgressDeadlineExceeded, FailedCreate, paused.
    fn held_up(&self) -> String {
        let told = |condition: &&Condition| match condition.r#type.as_str() {
            "Progressing" => condition.status == "False",
            "ReplicaFailure" => condition.status == "True",
            _ => false,
        };
        let mut reasons: Vec<&str> =
            self.status.conditions.iter().filter(told).map(|condition| condition.reason.as_str()).collect();
        if self.spec.paused {
            reasons.push("paused");
        }
        reasons.join(",")
    }
}

fn run(arguments: Arguments) -> Answer {
    let namespace = arguments.namespace.clone();
    List { kind: kind("deployments.apps"), namespace, noun: "deployments".into(), page: 250 }.rows(
        &arguments,
        FIELDS,
        &["NAMESPACE", "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "HELD-UP-BY", "AGE", "IMAGES"],
        |deployment: &Deployment| {
            let Deployment { metadata, spec, status } = deployment;
            let images: Vec<&str> =
                spec.template.spec.containers.iter().map(|container| container.image.as_str()).collect();
            vec![
                metadata.namespace.clone(),
                metadata.name.clone(),
                format!("{}/{}", status.ready_replicas, spec.replicas),
                status.updated_replicas.to_string(),
                status.available_replicas.to_string(),
                deployment.held_up(),
                age(&metadata.creation_timestamp),
                images.join(","),
            ]
        },
    )
}
