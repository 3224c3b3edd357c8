//! namespaces_list: which namespaces there are.

use porthole_sdk::{pod::Metadata, prelude::*};

list_arguments! {}

tool! {
    name: "namespaces_list",
    title: "List namespaces",
    summary: "All namespaces of the cluster with their phase and age. Start here when you do not know where something runs.",
    reads: [list "" "namespaces"],
}

#[derive(Deserialize)]
struct Namespace {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    phase: String,
}

fn run(arguments: Arguments) -> Answer {
    List { kind: kind("namespaces"), namespace: None, noun: "namespaces".into(), page: 400 }.rows(
        &arguments,
        &["metadata.name", "metadata.creationTimestamp", "status.phase"],
        &["NAME", "STATUS", "AGE"],
        |namespace: &Namespace| {
            vec![
                namespace.metadata.name.clone(),
                namespace.status.phase.clone(),
                age(&namespace.metadata.creation_timestamp),
            ]
        },
    )
}
