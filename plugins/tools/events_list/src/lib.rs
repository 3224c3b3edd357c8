//! events_list: what happened, newest first.

use porthole_sdk::{event::COLUMNS, prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Default: all namespaces
    namespace: Option<String>,
    #[argument(flatten)]
    list: ListArguments,
}

/// Events, newest first: why a pod is not scheduled, not started, killed. They expire after an hour. fieldSelector:
/// type=Warning, involvedObject.name=web-1.
#[tool(title = "List events", reads(list("events")))]
fn events_list(request: Request) -> Answer {
    let kind = KindRef { kind: "events".to_owned(), api_version: Some("v1".to_owned()) };
    List { kind, namespace: request.namespace.clone(), noun: "events".into() }.rows(&request.list, &COLUMNS)
}
