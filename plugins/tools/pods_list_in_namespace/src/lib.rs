//! pods_list_in_namespace: the pods of one namespace.

use porthole_sdk::{
    pod::{COLUMNS, FOLD},
    prelude::*,
    tool,
};

#[derive(Arguments)]
struct Request {
    /// The namespace
    namespace: String,
    #[argument(flatten)]
    list: ListArguments,
}

#[tool(title = "List pods in a namespace", summary = "As pods_list, for one namespace.", reads(list("pods")))]
fn pods_list_in_namespace(request: Request) -> Answer {
    let namespace = Some(request.namespace.clone());
    List { kind: kind("pods"), namespace, noun: "pods".into() }.folded_rows(&request.list, &COLUMNS, &FOLD)
}
