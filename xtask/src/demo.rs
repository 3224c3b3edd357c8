//! `cargo xtask demo`: builds a fresh clone and serves a cluster.

use std::{convert::Infallible, os::unix::process::CommandExt, time::Instant};

use anyhow::{Context, Result};

use crate::{
    plugins,
    shell::{build_demo, command, root, run},
};

/// Builds the host and the tools, then replaces this process by the host, which therefore receives Ctrl-C.
pub(crate) fn demo(listen: &str) -> Result<Infallible> {
    let begun = Instant::now();
    // In parallel: while one build waits for its last crate, the other uses the second core.
    let porthole = std::thread::scope(|scope| {
        let tools = scope.spawn(plugins::build_quietly);
        let porthole = build_demo();
        tools.join().map_err(|_| anyhow::anyhow!("building the tools panicked"))??;
        porthole
    })?;
    let program = porthole.display().to_string();
    // In a separate process, so that the host's memory excludes that of compilation.
    eprintln!("compiling the tools (seconds, the first time)");
    let mut check = command(&program, &["plugin", "check"]);
    run(check.args(plugins::files()?).stdout(std::process::Stdio::null()))?;
    eprintln!("ready after {} s; starting", begun.elapsed().as_secs());
    let arguments =
        ["serve", "--demo", "--listen", listen, "--admin-listen", "off", "--log", "warn", "--plugins"];
    let error = command(&program, &arguments).arg(root().join("plugins/dist")).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
