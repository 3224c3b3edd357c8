//! Benchmarks. Compares with another server if npm is available.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    examples, kube,
    packages::npm_packages,
    plugins,
    shell::{build_dist, build_workspace, built, cache, command, root, run, run_aside},
    suites,
};

/// The popular server, written in Go; its npm package contains a Linux binary.
const PEER: &str = "kubernetes-mcp-server@0.0.67";
const TOKENIZER: &str = "gpt-tokenizer@4.0.0";

/// Runs one benchmark, or all.
pub(crate) fn bench(table: Option<Table>, beside: Option<&Path>) -> Result<()> {
    build_workspace()?;
    let porthole = build_dist()?;
    if table.is_none_or(|table| table == Table::Calls) {
        plugins::build()?;
        calls(&porthole, beside)?;
    }
    if table.is_none_or(|table| table == Table::Tokens) {
        plugins::build()?;
        tokens(&porthole)?;
    }
    if table.is_none_or(|table| table == Table::Causes) {
        plugins::build()?;
        causes(&porthole)?;
    }
    if table.is_none_or(|table| table == Table::Reload) {
        reload(&porthole)?;
    }
    Ok(())
}

/// Available benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Table {
    /// Calls beside the API server itself and npm kubernetes-mcp-server
    Calls,
    /// What a model pays for twenty questions, beside npm kubernetes-mcp-server
    Tokens,
    /// Causes of faults on a real node, beside npm kubernetes-mcp-server's shortest way
    Causes,
    /// Tools that are dropped and replaced, starts with thirty, and tools in other languages
    Reload,
}

/// Prepares a table of the benchmarks' program, for a host and the tools of this build.
fn table(name: &str, porthole: &Path) -> Command {
    let mut bench = command(&built("porthole-bench").display().to_string(), &[name, "--porthole"]);
    bench.arg(porthole).arg("--plugins").arg(root().join("plugins/dist"));
    bench
}

/// Runs a table on a cluster of its own in a folder of the cache, which is stopped in any case.
fn run_on_cluster(mut bench: Command, folder: &str) -> Result<()> {
    let (testbed, folder) = (built("porthole-testbed"), cache().join(folder));
    bench.arg("--testbed").arg(&testbed).arg("--folder").arg(&folder);
    let outcome = run(&mut bench);
    run(command(&testbed.display().to_string(), &["down", "--folder"]).arg(&folder))?;
    outcome
}

/// Benchmarks loading of tools. Skips examples in other languages if they cannot be built.
fn reload(porthole: &Path) -> Result<()> {
    let guests = plugins::build_with_guests()?;
    let mut bench = table("reload", porthole);
    match examples::build() {
        Ok(()) => {
            bench.arg("--examples").arg(examples::built());
        }
        Err(error) => eprintln!("the examples in other languages could not be built: {error:#}"),
    }
    run(bench.env("PORTHOLE_GUESTS", guests))
}

/// Builds everything, and soaks the host.
pub(crate) fn soak(minutes: u64) -> Result<()> {
    build_workspace()?;
    plugins::build()?;
    run_soak(minutes)
}

/// Soaks the host of the release build on a small cluster of its own.
pub(crate) fn run_soak(minutes: u64) -> Result<()> {
    let mut bench = table("soak", &built("porthole"));
    bench.args(["--minutes", &minutes.to_string()]);
    run_on_cluster(bench, &format!("kube-soak-{}", std::process::id()))
}

/// Installs the popular server if needed; returns its program.
fn peer() -> Result<PathBuf> {
    let modules = npm_packages("npm-peer", &[PEER])?;
    // The launcher is a Node script, whose CPU time is not the server's, so the program is started directly.
    let program = modules.join("kubernetes-mcp-server-linux-amd64/bin/kubernetes-mcp-server-linux-amd64");
    ensure!(program.exists(), "{PEER} brings no program for this machine");
    Ok(program)
}

/// Benchmarks answer sizes, in tokens of gpt-4o and later.
fn tokens(porthole: &Path) -> Result<()> {
    let mut bench = table("tokens", porthole);
    bench.arg("--peer").arg(peer()?).arg("--tokenizer").arg(npm_packages("npm-tokenizer", &[TOKENIZER])?);
    if std::env::var_os("PORTHOLE_BENCH_SHOW").is_some() {
        bench.arg("--show");
    }
    run_on_cluster(bench, "kube-tokens")
}

/// Benchmarks diagnoses on a node of its own, which is stopped in any case.
fn causes(porthole: &Path) -> Result<()> {
    suites::real_node()?;
    let name = format!("bench-{}", std::process::id());
    let run_all = || {
        run_aside(&mut kube::node(&["up", "--name", &name])).context("the node does not start")?;
        let mut bench = kube::node(&["enter", "--name", &name, "--"]);
        bench.arg(built("porthole-bench")).args(["causes", "--node", &name, "--porthole"]).arg(porthole);
        bench.arg("--plugins").arg(root().join("plugins/dist")).arg("--root").arg(root());
        bench.arg("--peer").arg(peer()?).arg("--tokenizer").arg(npm_packages("npm-tokenizer", &[TOKENIZER])?);
        run(&mut bench)
    };
    let outcome = run_all();
    let down = run_aside(&mut kube::node(&["down", "--name", &name]));
    outcome.and(down.context("the node does not stop"))
}

/// Benchmarks calls, alternating with another Porthole binary if `beside` names one.
fn calls(porthole: &Path, beside: Option<&Path>) -> Result<()> {
    let mut bench = table("calls", porthole);
    if let Some(binary) = beside {
        bench.arg("--beside").arg(binary.canonicalize().with_context(|| binary.display().to_string())?);
    }
    match peer() {
        Ok(program) => {
            bench.arg("--peer").arg(program);
        }
        Err(error) => eprintln!("{PEER} could not be installed; its column stays empty: {error:#}"),
    }
    run_on_cluster(bench, "kube-bench")
}
