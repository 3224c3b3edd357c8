//! pods_list: the pods of all namespaces.

use porthole_sdk::{
    pod::{COLUMNS, FOLD},
    prelude::*,
    tool,
};

/// Pods of all namespaces: counts by status, then those that are not well (CrashLoopBackOff, Pending…), then the
/// rest, with ready, restarts, age, node, images.
#[tool(title = "List pods in all namespaces", reads(list("pods")))]
fn pods_list(list: ListArguments) -> Answer {
    List { kind: kind("pods"), namespace: None, noun: "pods".into() }.folded_rows(&list, &COLUMNS, &FOLD)
}
