//! `cargo xtask demo`: a cluster with a shop in it, a host in front, and a token to paste.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};
use porthole_testbed::{accounts, cluster::Cluster, fixtures};

/// The cluster of a folder, started and filled where it is not running.
pub(crate) async fn up(folder: &Path) -> Result<Cluster> {
    if let Ok(cluster) = Cluster::open(folder) {
        if cluster.answers().await {
            return Ok(cluster);
        }
        cluster.stop();
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let cluster = Cluster::start(folder, &std::env::current_exe()?).await?;
    let filled = fixtures::shop(&cluster).await;
    if filled.is_err() {
        cluster.stop();
    }
    filled.map(|()| cluster)
}

/// A host in front of the cluster; it ends with its handle.
pub(crate) fn host(
    cluster: &Cluster,
    porthole: &Path,
    plugins: &Path,
    listen: &str,
) -> Result<tokio::process::Child> {
    tokio::process::Command::new(porthole)
        .args(["serve", "--listen", listen, "--admin-listen", "off", "--log", "warn", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .arg("--plugins")
        .arg(plugins)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting porthole")
}

pub(crate) async fn run(folder: &Path, porthole: &Path, plugins: &Path, listen: &str) -> Result<()> {
    let cluster = up(folder).await?;
    let client = cluster.admin().await?;
    accounts::namespace(&client, "mcp-tools").await?;
    let token = accounts::account(&client, "mcp-tools", "k8s-mcp-server-sa").await?;
    accounts::allow(&client, ("mcp-tools", "k8s-mcp-server-sa"), None, accounts::reader_rules()).await?;
    let mut host = host(&cluster, porthole, plugins, listen)?;
    let origin = format!("http://{listen}");
    let ready = porthole_testbed::porthole::until_ready(&origin);
    tokio::select! {
        ready = ready => ready?,
        ended = host.wait() => anyhow::bail!("porthole ended with {}", ended?),
    }
    println!(
        "
Porthole serves a real API server with a small shop in it.

  Dify             {origin}/sse    (Tools > MCP > Add; or {origin}/mcp)
  header           Authorization: Bearer {token}

Three things to paste:

  1. Dify: Tools > MCP > Add MCP Server (HTTP). URL {origin}/sse, identifier porthole,
     header name Authorization, value Bearer and the token above.
  2. claude mcp add --transport http --header \"Authorization: Bearer {token}\" porthole {origin}/mcp
  3. curl -s {origin}/mcp -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' \\
       -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"pods_list\",\"arguments\":{{}}}}}}'

Ctrl-C stops it; `cargo xtask kube down` ends the cluster."
    );
    tokio::select! {
        ended = host.wait() => anyhow::bail!("porthole ended with {}", ended?),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
