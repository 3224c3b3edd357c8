//! The benchmark: needs npm for the server to measure against, and goes on without it.

use anyhow::Result;

use crate::{
    plugins,
    shell::{build_workspace, built, cache, command, has, root, run, run_aside},
};

/// The popular server, in Go; its npm package ships a Linux binary.
const PEER: &str = "kubernetes-mcp-server@0.0.67";

pub(crate) fn bench() -> Result<()> {
    build_workspace()?;
    plugins::build()?;
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
