//! The popular server, with its usual options: read-only, and the caller's token passed through.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use porthole_testbed::http::Streamable;
use serde_json::json;

const PORT: u16 = 18081;
/// Maximum time until it listens.
const START: Duration = Duration::from_secs(30);

/// Starts the server on a kubeconfig; stopped on drop.
pub(crate) async fn start(program: &Path, kubeconfig: &Path) -> Result<tokio::process::Child> {
    start_on(PORT, program, kubeconfig).await
}

/// As [`start`], on another port of loopback.
pub(crate) async fn start_on(port: u16, program: &Path, kubeconfig: &Path) -> Result<tokio::process::Child> {
    let process = tokio::process::Command::new(program)
        .args(["--port", &port.to_string(), "--bind-address", "127.0.0.1", "--read-only", "--stateless"])
        .args(["--cluster-provider", "kubeconfig", "--kubeconfig"])
        .arg(kubeconfig)
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting the other server")?;
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        anyhow::ensure!(begun.elapsed() < START, "the other server does not listen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(process)
}

/// Client of the server.
pub(crate) fn client(token: &str) -> Streamable {
    client_on(PORT, token)
}

/// As [`client`], of the server on another port.
pub(crate) fn client_on(port: u16, token: &str) -> Streamable {
    Streamable::new(&format!("http://127.0.0.1:{port}"), Some(token))
}

/// Handshake that the server requires.
pub(crate) async fn greet(client: &Streamable) -> Result<()> {
    let hello = json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}});
    client.request("initialize", hello).await.map(|_| ())
}
