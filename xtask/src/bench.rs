//! Benchmarks. Compares with another server if npm is available.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    examples, kube,
    packages::{apt, npm_packages},
    plugins,
    shell::{build_dist, build_workspace, built, cache, command, has, root, run, run_aside, target},
    suites,
};

/// The popular server, written in Go; its npm package contains a Linux binary.
const PEER: &str = "kubernetes-mcp-server@0.0.67";
const TOKENIZER: &str = "gpt-tokenizer@4.0.0";

/// Options of single tables.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// calls: another porthole binary, timed in turns with this one and with this one again (A/A)
    #[arg(long, value_name = "PATH")]
    beside: Option<PathBuf>,
    /// field: a trial of less than eight minutes, which is printed and leaves docs/benchmarks.md as it is
    #[arg(long)]
    quick: bool,
    /// field: only render docs/benchmarks.md anew, from docs/benchmarks.json
    #[arg(long, conflicts_with = "quick")]
    render: bool,
    /// field: numbers of pods, ascending, in place of 2000,10000,50000
    #[arg(long, value_name = "N,N…")]
    pods: Option<String>,
    /// field: numbers of clients, in place of 1,8,64,256
    #[arg(long, value_name = "N,N…")]
    clients: Option<String>,
}

/// Runs one benchmark, or all but `field`, which takes forty minutes and changes a document.
pub(crate) fn bench(table: Option<Table>, options: &Options) -> Result<()> {
    build_workspace()?;
    if table == Some(Table::Field) && options.render {
        return run(command(&built("porthole-bench").display().to_string(), &["render", "--out"]).arg(docs()));
    }
    let porthole = build_dist()?;
    if table == Some(Table::Field) {
        return field(&porthole, options);
    }
    if table.is_none_or(|table| table == Table::Calls) {
        plugins::build()?;
        calls(&porthole, options.beside.as_deref())?;
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
    /// The run of docs/benchmarks.md: the same by many clients, with up to 50,000 pods, in forty minutes
    Field,
    /// What a model pays for twenty questions, beside npm kubernetes-mcp-server
    Tokens,
    /// Causes of faults on a real node, beside npm kubernetes-mcp-server's shortest way
    Causes,
    /// Tools that are dropped and replaced, starts with thirty, and tools in other languages
    Reload,
}

/// Folder of the documents.
fn docs() -> PathBuf {
    root().join("docs")
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

/// Options of a profile.
#[derive(clap::Args)]
pub(crate) struct ProfileOptions {
    /// Kind of work, by its name in docs/benchmarks.md
    #[arg(default_value = "namespaces_list")]
    work: String,
    /// Clients that ask without a pause
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Seconds that are sampled
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// Builds the host that is benchmarked, and samples it under load.
pub(crate) fn profile(options: &ProfileOptions) -> Result<()> {
    if !has("perf") {
        apt("linux-perf")?;
    }
    build_workspace()?;
    plugins::build()?;
    let mut bench = table("profile", &build_dist()?);
    bench.args(["--work", &options.work, "--clients", &options.clients.to_string()]);
    bench.args(["--seconds", &options.seconds.to_string(), "--out"]).arg(target().join("profile"));
    run_on_cluster(bench, &format!("kube-profile-{}", std::process::id()))
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

/// Runs the benchmark of docs/benchmarks.md, and writes the page; a trial writes beside the builds.
fn field(porthole: &Path, options: &Options) -> Result<()> {
    let guests = plugins::build_with_guests()?;
    let mut bench = table("field", porthole);
    bench.env("PORTHOLE_GUESTS", guests);
    bench.arg("--commit").arg(commit()?).arg("--out");
    bench.arg(if options.quick { target().join("bench") } else { docs() });
    if options.quick {
        bench.arg("--quick");
    }
    for (name, value) in [("--pods", &options.pods), ("--clients", &options.clients)] {
        if let Some(value) = value {
            bench.args([name, value]);
        }
    }
    match peer() {
        Ok(program) => {
            bench.arg("--peer").arg(program).args(["--peer-name", PEER]);
        }
        Err(error) => eprintln!("{PEER} could not be installed; its column stays empty: {error:#}"),
    }
    run_on_cluster(bench, &format!("kube-field-{}", std::process::id()))
}

/// Commit that is built, marked if files differ from it.
fn commit() -> Result<String> {
    let output = command("git", &["describe", "--always", "--dirty", "--abbrev=10"]).output()?;
    ensure!(output.status.success(), "git describe: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
