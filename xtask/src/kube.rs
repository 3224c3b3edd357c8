//! Clusters for developers; the tests start their own.

use std::{
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    packages::apt,
    shell::{build_testbed, build_workspace, built, cache, command, demo_testbed, run},
};

/// Variable with the node's name. The tests set it, because they must not stop a developer's node.
const NODE_VARIABLE: &str = "PORTHOLE_NODE";

/// Folder of the cluster. The tests set `$PORTHOLE_KUBE`, because they must not stop a developer's cluster.
fn folder() -> PathBuf {
    std::env::var_os("PORTHOLE_KUBE").map_or_else(|| cache().join("kube"), PathBuf::from)
}

/// Program of the testbed: of the release build, which the tests share, or one that was built for a cluster alone.
fn testbed() -> PathBuf {
    let released = built("porthole-testbed");
    if released.exists() { released } else { demo_testbed() }
}

/// Builds what [`testbed`] finds. Without a release build the testbed alone, which takes a quarter of the time.
fn build() -> Result<()> {
    if built("porthole-testbed").exists() { build_workspace() } else { build_testbed() }
}

/// Starts the cluster. Prints its kubeconfig's path, and nothing else, to stdout.
pub(crate) fn up(pods: usize) -> Result<()> {
    build()?;
    let testbed = testbed();
    run(command(&testbed.display().to_string(), &["up", "--pods", &pods.to_string(), "--folder"])
        .arg(folder()))
}

/// Stops the cluster and the node.
pub(crate) fn down() -> Result<()> {
    let testbed = testbed();
    if !testbed.exists() {
        eprintln!("no cluster was ever started from here");
        return Ok(());
    }
    run(command(&testbed.display().to_string(), &["down", "--folder"]).arg(folder()))?;
    run(&mut node(&["down", "--name", &node_name()]))
}

fn node_name() -> String {
    std::env::var(NODE_VARIABLE).unwrap_or_else(|_| "porthole".to_owned())
}

/// Starts a real node. Prints its kubeconfig's path, and nothing else, to stdout.
pub(crate) fn node_up(addons: bool, nodes: u8) -> Result<()> {
    build()?;
    prepare_node()?;
    let mut up = node(&["up", "--name", &node_name(), "--nodes", &nodes.to_string()]);
    run(up.args(addons.then_some("--addons")))
}

/// Replaces this process by a command in the network of the node, with its kubeconfig in `$KUBECONFIG`.
pub(crate) fn enter(arguments: &[String]) -> Result<()> {
    let mut enter = node(&["enter", "--name", &node_name(), "--"]);
    // In the caller's folder, because arguments may be relative paths.
    let error = enter.args(arguments).current_dir(std::env::current_dir()?).exec();
    Err(error).context("cannot run the testbed; `cargo xtask kube up --node` builds it")
}

/// Replaces this process by kubectl, as the admin of the node if that runs, or else of the cluster.
pub(crate) fn kubectl(arguments: &[String]) -> Result<()> {
    let mut kubectl = command(&testbed().display().to_string(), &["kubectl", "--folder"]);
    kubectl.arg(folder()).args(["--name", &node_name(), "--"]).args(arguments);
    let error = kubectl.current_dir(std::env::current_dir()?).exec();
    Err(error).context("cannot run the testbed; `cargo xtask kube up` builds it")
}

/// Installs the packages of a node. Fails with the reason if no node can run on this machine.
pub(crate) fn prepare_node() -> Result<()> {
    // The reason is one sentence, without the stack.
    let mut check = node(&["check"]);
    check.env("RUST_BACKTRACE", "0").stdout(Stdio::null());
    let checked = check.output().context("cannot run the testbed")?;
    if !checked.status.success() {
        bail!("{}", String::from_utf8_lossy(&checked.stderr).trim().trim_start_matches("Error: "));
    }
    let listed = node(&["packages"]).output()?;
    String::from_utf8_lossy(&listed.stdout).lines().try_for_each(apt)
}

/// Command of the testbed about a node.
pub(crate) fn node(arguments: &[&str]) -> Command {
    let mut command = command(&testbed().display().to_string(), &["node"]);
    command.args(arguments);
    command
}
