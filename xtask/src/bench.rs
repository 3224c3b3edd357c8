//! The benchmark: needs npm for the server to measure against, and goes on without it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{
    examples, plugins,
    shell::{build_workspace, built, cache, command, root, run},
    suites::npm_packages,
};

/// The popular server, in Go; its npm package ships a Linux binary.
const PEER: &str = "kubernetes-mcp-server@0.0.67";
const TOKENIZER: &str = "gpt-tokenizer@4.0.0";

/// Runs one table, or all of them.
pub(crate) fn bench(table: Option<Table>, beside: Option<&Path>) -> Result<()> {
    build_workspace()?;
    if table.is_none_or(|table| table == Table::Calls) {
        plugins::build()?;
        calls(beside)?;
    }
    if table.is_none_or(|table| table == Table::Tokens) {
        plugins::build()?;
        tokens()?;
    }
    if table.is_none_or(|table| table == Table::Reload) {
        reload()?;
    }
    Ok(())
}

/// The tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Table {
    /// Calls beside the API server itself and npm kubernetes-mcp-server
    Calls,
    /// What a model pays for twenty questions, beside npm kubernetes-mcp-server
    Tokens,
    /// Tools that are dropped and replaced, starts with thirty, and tools in other languages
    Reload,
}

/// How tools are loaded. Examples in other languages are left out where they cannot be built.
fn reload() -> Result<()> {
    let guests = plugins::build_with_guests()?;
    let mut bench =
        command(&built("porthole-testbed").display().to_string(), &["bench-reload", "--porthole"]);
    bench.arg(built("porthole")).arg("--plugins").arg(root().join("plugins/dist"));
    match examples::build() {
        Ok(()) => {
            bench.arg("--examples").arg(examples::built());
        }
        Err(error) => eprintln!("the examples in other languages could not be built: {error:#}"),
    }
    run(bench.env("PORTHOLE_GUESTS", guests))
}

/// The popular server's program, installed where it is not.
fn peer() -> Result<PathBuf> {
    let modules = npm_packages("npm-peer", &[PEER])?;
    // The launcher is a script of Node; its CPU is not the server's, so the program itself is started.
    let program = modules.join("kubernetes-mcp-server-linux-amd64/bin/kubernetes-mcp-server-linux-amd64");
    ensure!(program.exists(), "{PEER} brings no program for this machine");
    Ok(program)
}

/// Answers are counted with the tokenizer of gpt-4o and later.
fn tokens() -> Result<()> {
    let (peer, tokenizer) = (peer()?, npm_packages("npm-tokenizer", &[TOKENIZER])?);
    let testbed = built("porthole-testbed").display().to_string();
    let folder = cache().join("kube-tokens");
    let mut bench = command(&testbed, &["bench-tokens", "--folder"]);
    bench
        .arg(&folder)
        .arg("--porthole")
        .arg(built("porthole"))
        .arg("--plugins")
        .arg(root().join("plugins/dist"));
    bench.arg("--peer").arg(peer).arg("--tokenizer").arg(tokenizer);
    if std::env::var_os("PORTHOLE_BENCH_SHOW").is_some() {
        bench.arg("--show");
    }
    let outcome = run(&mut bench);
    run(command(&testbed, &["down", "--folder"]).arg(&folder))?;
    outcome
}

/// `beside`: another binary of Porthole, timed in turns with this one.
fn calls(beside: Option<&Path>) -> Result<()> {
    let testbed = built("porthole-testbed");
    let mut bench = command(&testbed.display().to_string(), &["bench", "--folder"]);
    bench
        .arg(cache().join("kube-bench"))
        .arg("--porthole")
        .arg(built("porthole"))
        .arg("--plugins")
        .arg(root().join("plugins/dist"));
    if let Some(binary) = beside {
        bench.arg("--beside").arg(binary.canonicalize().with_context(|| binary.display().to_string())?);
    }
    match peer() {
        Ok(program) => {
            bench.arg("--peer").arg(program);
        }
        Err(error) => eprintln!("{PEER} could not be installed; its column stays empty: {error:#}"),
    }
    let outcome = run(&mut bench);
    run(command(&testbed.display().to_string(), &["down", "--folder"]).arg(cache().join("kube-bench")))?;
    outcome
}
