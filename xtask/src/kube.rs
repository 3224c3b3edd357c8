//! Cluster for developers; the tests start their own.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{build_workspace, built, cache, command, run};

/// Folder of the cluster. The tests set `$PORTHOLE_KUBE`, because they must not stop a developer's cluster.
fn folder() -> PathBuf {
    std::env::var_os("PORTHOLE_KUBE").map_or_else(|| cache().join("kube"), PathBuf::from)
}

/// Starts the cluster. Prints its kubeconfig's path, and nothing else, to stdout.
pub(crate) fn up(pods: usize) -> Result<()> {
    build_workspace()?;
    let testbed = built("porthole-testbed");
    run(command(&testbed.display().to_string(), &["up", "--pods", &pods.to_string(), "--folder"])
        .arg(folder()))
}

pub(crate) fn down() -> Result<()> {
    let testbed = built("porthole-testbed");
    if !testbed.exists() {
        eprintln!("no cluster was ever started from here");
        return Ok(());
    }
    run(command(&testbed.display().to_string(), &["down", "--folder"]).arg(folder()))
}
