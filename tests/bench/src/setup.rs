//! The cluster and the hosts that calls and tokens are measured on.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};
use porthole_testbed::{cluster::Cluster, versions::named};

/// Programs and folders of a benchmark against a real API server.
#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Folder of the cluster
    #[arg(long)]
    folder: PathBuf,
    /// The testbed's program, which serves as kubelet
    #[arg(long)]
    testbed: PathBuf,
    /// The host
    #[arg(long)]
    pub(crate) porthole: PathBuf,
    /// Its tools
    #[arg(long)]
    pub(crate) plugins: PathBuf,
}

impl Setup {
    /// The cluster of the folder, started and filled if it is not running.
    pub(crate) async fn cluster(&self, fill: impl AsyncFn(&Cluster) -> Result<()>) -> Result<Cluster> {
        Cluster::open_or_start(&self.folder, &self.testbed, fill).await
    }

    /// Starts a host on the cluster, of this binary or another; stopped on drop.
    pub(crate) fn host(
        &self,
        cluster: &Cluster,
        porthole: &Path,
        listen: &str,
    ) -> Result<tokio::process::Child> {
        let kubeconfig = cluster.kubeconfig.display().to_string();
        serve(porthole, listen, &self.plugins, &["--kubeconfig", &kubeconfig])
    }
}

/// Starts a host at an address, on the cluster that the options name; stopped on drop.
pub(crate) fn serve(
    porthole: &Path,
    listen: &str,
    plugins: &Path,
    options: &[&str],
) -> Result<tokio::process::Child> {
    tokio::process::Command::new(porthole)
        .args(["serve", "--listen", listen, "--admin-listen", "off", "--log", "warn"])
        .arg("--plugins")
        .arg(plugins)
        // Audit lines are written, as in production, and discarded.
        .args(["--audit", "/dev/null"])
        .args(options)
        .stdin(Stdio::null())
        // The demo prints what to paste.
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting porthole")
}

/// Makes a folder with a copy of the tools in `plugins`, and small ones beside them up to `least`; the number of all.
pub(crate) fn many_tools(plugins: &Path, folder: &Path, least: u32) -> Result<u32> {
    std::fs::create_dir(folder)?;
    let mut count = 0;
    for entry in std::fs::read_dir(plugins)? {
        let path = entry?.path();
        if let Some(name) =
            path.file_name().filter(|_| path.extension().is_some_and(|ending| ending == "wasm"))
        {
            std::fs::copy(&path, folder.join(name))?;
            count += 1;
        }
    }
    for n in count..least {
        std::fs::write(folder.join(format!("{n}.wasm")), named(&format!("tool_{n:04}"), n))?;
    }
    Ok(count.max(least))
}
