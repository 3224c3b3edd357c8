//! The cluster that developers use; the tests have one of their own.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{build_workspace, built, cache, command, run};

/// `$PORTHOLE_KUBE` is for the tests, which must not stop a developer's cluster.
fn folder() -> PathBuf {
    std::env::var_os("PORTHOLE_KUBE").map_or_else(|| cache().join("kube"), PathBuf::from)
}

/// Starts the cluster and prints its kubeconfig's path, alone on stdout.
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
