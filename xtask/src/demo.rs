//! `cargo xtask demo`: from a fresh clone to a served cluster.

use std::{convert::Infallible, os::unix::process::CommandExt, time::Instant};

use anyhow::{Context, Result};

use crate::{
    plugins,
    shell::{build_demo, command, root, run},
};

/// Builds the host and the tools, and becomes the host, so that Ctrl-C is the host's to answer.
pub(crate) fn demo(listen: &str) -> Result<Infallible> {
    let begun = Instant::now();
    // Side by side: while one compiler waits for another, the second core has the tools.
    let porthole = std::thread::scope(|scope| {
        let tools = scope.spawn(plugins::build_quietly);
        let porthole = build_demo();
        tools.join().map_err(|_| anyhow::anyhow!("building the tools panicked"))??;
        porthole
    })?;
    let program = porthole.display().to_string();
    // In a process of its own: what compiling them takes is then not in the memory of the host.
    eprintln!("compiling the tools (seconds, the first time)");
    let mut check = command(&program, &["plugin", "check"]);
    run(check.args(plugins::files()?).stdout(std::process::Stdio::null()))?;
    eprintln!("ready after {} s; starting", begun.elapsed().as_secs());
    let arguments =
        ["serve", "--demo", "--listen", listen, "--admin-listen", "off", "--log", "warn", "--plugins"];
    let error = command(&program, &arguments).arg(root().join("plugins/dist")).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
