//! pods_list_in_namespace: the pods of one namespace.

use porthole_sdk::{pod::COLUMNS, prelude::*};

list_arguments! {
    /// The namespace
    namespace: String,
}

tool! {
    name: "pods_list_in_namespace",
    title: "List pods in a namespace",
    summary: "As pods_list, for one namespace.",
    reads: [list "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    let namespace = Some(arguments.namespace.clone());
    List { kind: kind("pods"), namespace, noun: "pods".into() }.rows(&arguments, &COLUMNS)
}
