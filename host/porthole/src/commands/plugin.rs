//! `porthole plugin`: what somebody does who writes a tool. Each command does what the host would do, and tells.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands answer there; nothing is served")]

mod call;
mod check;
mod compile;
mod inspect;
mod new;

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use porthole_contract::Printable;
use porthole_sandbox::{Unreadable, WasmFile};
use porthole_tools::{Loader, Unserved};

use crate::{
    cli::{Compiling, Plugin},
    config::Config,
    wiring,
};

/// Runs one of the commands.
pub(crate) fn run(command: Plugin) -> anyhow::Result<ExitCode> {
    match command {
        Plugin::New { name, lang } => new::new(&name, lang),
        Plugin::Inspect { file, compiling } => block_on(inspect::inspect(&file, &loader(compiling)?)),
        Plugin::Check { files, compiling } => block_on(check::check(&files, &loader(compiling)?)),
        Plugin::Compile { plugins, compiling } => block_on(compile::compile(&plugins, &loader(compiling)?)),
        Plugin::Call(options) => block_on(call::call(*options)),
    }
}

/// Runs one command to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}

/// What makes a tool of the file, as in a host with the same options.
pub(crate) fn loader(compiling: Compiling) -> anyhow::Result<Loader> {
    wiring::loader(Config::of(&compiling)?.tools, compiling.cache)
}

/// Opens a file. None where it is none that can be a tool: then it is said why.
async fn open(file: &Path, loader: &Loader) -> anyhow::Result<Option<WasmFile>> {
    match loader.open(file).await {
        Ok(wasm) => Ok(Some(wasm)),
        Err(Unserved::Unreadable(Unreadable::Io(error))) => bail!("{}: {error}", shown(file)),
        Err(reason) => {
            println!("{} would not be served: {reason}", shown(file));
            Ok(None)
        }
    }
}

/// A path on a terminal: names of files are as foreign as what is in them.
fn shown(path: &Path) -> String {
    Printable(&path.to_string_lossy()).to_string()
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
