//! Porthole on a real node: what only a kubelet, a container runtime and controllers can show. Run by
//! `cargo xtask test node`, which starts the node and runs these tests within its network.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests stop with a panic, and print their figures"
)]

mod addons;
mod beside;
mod cases;
mod certificate;
mod demo;
mod deployed;
mod deployment;
mod guide;
mod lifecycle;
mod nodes;
mod outages;
mod pods;
mod registry;
mod roads;
mod rollout;
mod token;
mod tools;
mod truth;
mod twin;
mod visits;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use porthole_testbed::node::Node;

/// Waits until a condition holds; what it answers last is in the failure.
async fn until<T>(what: &str, limit: Duration, condition: impl AsyncFn() -> Result<T, String>) -> T {
    let outcome = within(limit, condition).await;
    outcome.unwrap_or_else(|last| panic!("{what}: not after {limit:?}: {last}"))
}

/// Waits until a condition holds, or returns what it answers last.
async fn within<T>(limit: Duration, condition: impl AsyncFn() -> Result<T, String>) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        match condition().await {
            Err(_) if begun.elapsed() < limit => tokio::time::sleep(Duration::from_millis(100)).await,
            outcome => return outcome,
        }
    }
}

/// Output of a shell command in the repository, with the admin's kubeconfig; it must succeed.
fn shell(node: &Node, script: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(porthole_e2e::root())
        .env("KUBECONFIG", node.kubeconfig())
        .env("PATH", format!("{}:{path}", node.folder().display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}\n{stdout}{stderr}");
    assert!(!stderr.contains("Warning"), "{script}\n{stderr}");
    stdout
}
