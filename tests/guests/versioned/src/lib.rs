//! versioned: says which version it is. The tests write other versions of the same length over it in the built file, so
//! that each is a component of its own without a build of its own (`porthole_testbed::versions`).

#![allow(deprecated, reason = "it shows that tools of 0.1 still compile")]

use std::time::Duration;

use porthole_sdk::prelude::*;

arguments! {
    /// Milliseconds to wait before the answer.
    wait: u32 = 0,
}

tool! {
    name: "versioned",
    title: "Versioned",
    summary: "Says which version of it answers.",
    reads: [list "" "namespaces"],
}

fn run(arguments: Arguments) -> Answer {
    call::progress(0.0, None, "begun");
    std::thread::sleep(Duration::from_millis(arguments.wait.into()));
    // Read, too: a reload must not disturb the reads of a call.
    let namespaces = kube_read::list_objects(&list_all_of(kind("namespaces"), None, &["metadata.name"]))?;
    text(format!("{} sees {} namespaces", env!("CARGO_PKG_VERSION"), namespaces.count))
}
