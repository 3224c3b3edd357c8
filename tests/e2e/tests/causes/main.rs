//! Faults and healthy objects on a real node, all at once: `diagnose` must name the cause of each fault, and no other.
//! Run by `cargo xtask test causes --long`, which starts the node and runs these tests within its network.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]
#![allow(clippy::print_stderr, reason = "the table of answers is for developers")]

mod accounts;
mod healthy;
mod report;
mod stage;

use report::Report;
use stage::Stage;

/// One test, because the second part deletes what the first one reads.
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_named_and_nothing_else_is() {
    let stage = Stage::set().await;
    let mut report = Report::default();
    stage.ask_everything(&mut report).await;
    stage.ask_of_healthy_objects(&mut report).await;
    report.begin("with accounts that may not read everything");
    stage.ask_as_others(&mut report).await;
    stage.node.kubectl(&["delete", "events", "--all-namespaces", "--all"]).unwrap();
    report.begin("without events");
    stage.ask_without_events(&mut report).await;
    report.end();
}
