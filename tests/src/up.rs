//! `cargo xtask kube up`: starts a filled cluster in a folder; and starts a host on a cluster.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};
use porthole_testbed::{cluster::Cluster, fixtures};

/// The cluster of a folder, started and filled if it is not running.
pub(crate) async fn filled(folder: &Path) -> Result<Cluster> {
    filled_by(folder, fixtures::shop).await
}

/// As [`filled`], with other contents.
pub(crate) async fn filled_by(folder: &Path, fill: impl AsyncFn(&Cluster) -> Result<()>) -> Result<Cluster> {
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
    let filled = fill(&cluster).await;
    if filled.is_err() {
        cluster.stop();
    }
    filled.map(|()| cluster)
}

/// Starts a host on the cluster; stopped on drop.
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
        // Audit lines are written, as in production, and discarded.
        .args(["--audit", "/dev/null"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting porthole")
}
