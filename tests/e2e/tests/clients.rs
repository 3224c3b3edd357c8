//! Third-party clients: PyPI `mcp` and npm `@modelcontextprotocol/sdk`, over both transports.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests stop with a panic")]

use std::{ffi::OsStr, process::Command};

use porthole_e2e::root;
use porthole_testbed::{accounts, cluster::Cluster, porthole::Porthole, prepared};

async fn run(program: impl AsRef<OsStr>, script: &str) {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "clients").await.unwrap();
    let token = accounts::account(&client, "clients", "reader").await.unwrap();
    accounts::allow(&client, ("clients", "reader"), None, accounts::reader_rules()).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let script = root().join("tests/clients").join(script);
    let mut command = Command::new(program);
    command.arg(script).env("PORTHOLE_ORIGIN", &host.origin).env("PORTHOLE_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .expect("the client's interpreter");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("sse: ok") && said.contains("streamable: ok"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    run(prepared::path("PORTHOLE_PYTHON"), "client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript() {
    run("node", "client.mjs").await;
}
