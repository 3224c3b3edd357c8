//! pods_list_in_namespace: the pods of one namespace.

use porthole_sdk::{
    pod::{FIELDS, HEADER, Pod},
    prelude::*,
};

list_arguments! {
    /// The namespace.
    namespace: String,
}

tool! {
    name: "pods_list_in_namespace",
    title: "List pods in a namespace",
    summary: "Pods of one namespace: ready containers, status (CrashLoopBackOff, Pending…), restarts, age, node, images.",
    reads: [list "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    let namespace = Some(arguments.namespace.clone());
    List { kind: kind("pods"), namespace, noun: "pods".into(), page: 180 }.rows(
        &arguments,
        FIELDS,
        &HEADER,
        Pod::row,
    )
}
