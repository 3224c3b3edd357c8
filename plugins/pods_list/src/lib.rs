//! pods_list: the pods of all namespaces.

use porthole_sdk::{
    pod::{FIELDS, HEADER, Pod},
    prelude::*,
};

list_arguments! {}

tool! {
    name: "pods_list",
    title: "List pods in all namespaces",
    summary: "Pods of all namespaces: namespace, ready containers, status (CrashLoopBackOff, Pending…), restarts, age, node, images. Narrow it with a selector; for one namespace use pods_list_in_namespace.",
    reads: [list "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    let header: Vec<&str> = ["NAMESPACE"].into_iter().chain(HEADER).collect();
    List { kind: kind("pods"), namespace: None, noun: "pods".into(), page: 180 }.rows(
        &arguments,
        FIELDS,
        &header,
        |pod: &Pod| [vec![pod.metadata.namespace.clone()], pod.row()].concat(),
    )
}
