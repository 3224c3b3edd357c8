//! namespaces_list: which namespaces there are.

use porthole_sdk::{pod::Metadata, prelude::*, tool};

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

fn row(namespace: &Namespace) -> Row {
    let Namespace { metadata, status } = namespace;
    let cells = vec![metadata.name.clone(), status.phase.clone(), age(&metadata.creation_timestamp)];
    let (healthy, status) = (status.phase == "Active", status.phase.clone());
    Row { name: metadata.name.clone(), cells, status, healthy, ..Row::default() }
}

/// All namespaces with phase and age. Start here when you do not know where something runs.
#[tool(title = "List namespaces", reads(list("namespaces")))]
fn namespaces_list(list: ListArguments) -> Answer {
    let columns = Columns {
        fields: &["metadata.name", "metadata.creationTimestamp", "status.phase"],
        header: &["NAME", "STATUS", "AGE"],
        row,
        newest_first: false,
        outlined: true,
    };
    List { kind: kind("namespaces"), namespace: None, noun: "namespaces".into() }.rows(&list, &columns)
}
