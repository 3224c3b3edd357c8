//! events_list: what happened, newest first.

use porthole_sdk::{event::COLUMNS, prelude::*};

list_arguments! {
    /// Default: all namespaces
    namespace: Option<String>,
}

tool! {
    name: "events_list",
    title: "List events",
    summary: "Events, newest first: why a pod is not scheduled, not started, killed. They expire after an hour. fieldSelector: type=Warning, involvedObject.name=web-1.",
    reads: [list "" "events"],
}

fn run(arguments: Arguments) -> Answer {
    let kind = KindRef { kind: "events".to_owned(), api_version: Some("v1".to_owned()) };
    List { kind, namespace: arguments.namespace.clone(), noun: "events".into() }.rows(&arguments, &COLUMNS)
}
