//! The benchmark: needs npm for the server to measure against, and goes on without it.

use anyhow::Result;

use crate::{
    examples, plugins,
    shell::{build_workspace, built, cache, command, has, root, run, run_aside},
};

/// The popular server, in Go; its npm package ships a Linux binary.
const PEER: &str = "kubernetes-mcp-server@0.0.67";

/// Runs one table, or all of them.
pub(crate) fn bench(table: Option<Table>) -> Result<()> {
    build_workspace()?;
    if table.is_none_or(|table| table == Table::Calls) {
        plugins::build()?;
        calls()?;
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

fn calls() -> Result<()> {
    let folder = cache().join("npm-peer");
    let binary = folder.join("node_modules/.bin/kubernetes-mcp-server");
    if has("npm") && !binary.exists() {
        std::fs::create_dir_all(&folder)?;
        run_aside(command("npm", &["install", "--silent", "--no-save", "--prefix"]).arg(&folder).arg(PEER))?;
    }
    let testbed = built("porthole-testbed");
    let mut bench = command(&testbed.display().to_string(), &["bench", "--folder"]);
    bench
        .arg(cache().join("kube-bench"))
        .arg("--porthole")
        .arg(built("porthole"))
        .arg("--plugins")
        .arg(root().join("plugins/dist"));
    // The launcher is a script of Node; its CPU is not the server's, so the program itself is started.
    let program =
        folder.join("node_modules/kubernetes-mcp-server-linux-amd64/bin/kubernetes-mcp-server-linux-amd64");
    match program.exists() {
        true => {
            bench.arg("--peer").arg(program);
        }
        false => eprintln!("{PEER} could not be installed; its column stays empty"),
    }
    let outcome = run(&mut bench);
    run(command(&testbed.display().to_string(), &["down", "--folder"]).arg(cache().join("kube-bench")))?;
    outcome
}
