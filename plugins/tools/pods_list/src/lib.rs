//! pods_list: the pods of all namespaces.

use porthole_sdk::{pod::COLUMNS, prelude::*};

list_arguments! {}

tool! {
    name: "pods_list",
    title: "List pods in all namespaces",
    summary: "Pods of all namespaces: counts by status, then those that are not well (CrashLoopBackOff, Pending…), then the rest, with ready, restarts, age, node, images.",
    reads: [list "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    List { kind: kind("pods"), namespace: None, noun: "pods".into() }.rows(&arguments, &COLUMNS)
}
