//! The cluster that developers use; the tests have one of their own.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    plugins,
    shell::{build_host, built, cache, command, root, run},
};

/// `$PORTHOLE_KUBE` is for the tests, which must not stop a developer's cluster.
fn folder() -> PathBuf {
    std::env::var_os("PORTHOLE_KUBE").map_or_else(|| cache().join("kube"), PathBuf::from)
}

/// Starts the cluster and prints its kubeconfig's path, alone on stdout.
pub(crate) fn up(pods: usize) -> Result<()> {
    build_host()?;
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

/// Builds everything, starts the cluster and the host, and prints what to paste.
pub(crate) fn demo(listen: &str) -> Result<()> {
    eprintln!(
        "Until Porthole has a cluster of its own, the demo runs a real API server: it is built once, which takes about ten minutes in all."
    );
    build_host()?;
    plugins::build()?;
    let testbed = built("porthole-testbed");
    run(command(&testbed.display().to_string(), &["demo", "--listen", listen, "--folder"])
        .arg(folder())
        .arg("--porthole")
        .arg(built("porthole"))
        .arg("--plugins")
        .arg(root().join("plugins/dist")))
}
