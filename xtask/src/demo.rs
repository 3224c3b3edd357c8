//! `cargo xtask demo`: from a fresh clone to a served cluster.

use std::{convert::Infallible, os::unix::process::CommandExt, time::Instant};

use anyhow::{Context, Result};

use crate::{
    plugins,
    shell::{build_demo, command, root},
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
    eprintln!("built in {} s; starting", begun.elapsed().as_secs());
    let program = porthole.display().to_string();
    let arguments =
        ["serve", "--demo", "--listen", listen, "--admin-listen", "off", "--log", "warn", "--plugins"];
    let error = command(&program, &arguments).arg(root().join("plugins/dist")).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
