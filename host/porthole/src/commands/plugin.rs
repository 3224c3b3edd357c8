//! `porthole plugin`: commands for tool authors. Each runs the host's own code, and reports.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands answer there; nothing is served")]

mod approve;
mod call;
mod check;
mod compile;
mod inspect;
mod new;
#[cfg(feature = "registry")]
pub(crate) mod registry;

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use porthole_contract::Printable;
use porthole_sandbox::{OpenError, WasmFile};
use porthole_tools::{LoadFailure, Loader};

use self::approve::Star;
use crate::{
    cli::{LoadArgs, Plugin},
    config::Config,
    wiring,
};

/// Maximum size of a ConfigMap, of all its files together: the API server counts their bytes, and not as they are encoded.
const MAX_CONFIG_MAP: u64 = 1 << 20;

/// Runs a subcommand.
pub(crate) fn run(command: Plugin) -> anyhow::Result<ExitCode> {
    match command {
        Plugin::New { name, lang } => new::new(&name, lang),
        Plugin::Inspect { file, lock, load } => {
            let approvals = Config::of(&load)?.approvals;
            block_on(inspect::inspect(&file, &approvals, lock.lock, &loader(load)?))
        }
        Plugin::Approve { files, kinds, any_kind, cluster, lock, load } => {
            let approvals = Config::of(&load)?.approvals;
            let lock = approvals.lock(lock.lock);
            let names_cluster =
                cluster.kubeconfig.is_some() || cluster.context.is_some() || cluster.demo.is_some();
            if names_cluster && !kinds {
                bail!("--kubeconfig, --context and --demo say whose kinds --kinds names; add --kinds");
            }
            let star = match (kinds, any_kind) {
                (true, _) => Star::Discovered(&cluster),
                (false, false) => Star::Earlier,
                (false, true) => Star::Any,
            };
            block_on(approve::approve(&files, star, lock, &approvals.approved, &loader(load)?))
        }
        Plugin::Check { files, load } => block_on(check::check(&files, &loader(load)?)),
        Plugin::Compile { plugins, load } => block_on(compile::compile(&plugins, &loader(load)?)),
        #[cfg(feature = "registry")]
        Plugin::Pull(options) => block_on(registry::pull(&options)),
        #[cfg(feature = "registry")]
        Plugin::Push(options) => block_on(registry::push(options)),
        #[cfg(feature = "registry")]
        Plugin::Verify(options) => block_on(registry::verify(&options)),
        #[cfg(feature = "registry")]
        Plugin::Lock(options) => block_on(registry::lock(&options)),
        Plugin::Call(options) => block_on(call::call(*options)),
    }
}

/// Runs a command to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}

/// Loader of a host with the same options.
pub(crate) fn loader(load: LoadArgs) -> anyhow::Result<Loader> {
    wiring::loader(Config::of(&load)?.tools, load.cache)
}

/// Opens a file; prints the reason and returns `None` if it cannot be a tool.
async fn open(file: &Path, loader: &Loader) -> anyhow::Result<Option<WasmFile>> {
    match loader.open(file).await {
        Ok(wasm) => Ok(Some(wasm)),
        Err(LoadFailure::Open(OpenError::Io(error))) => bail!("{}: {error}", printable(file)),
        Err(reason) => {
            println!("{} would not be served: {reason}", printable(file));
            Ok(None)
        }
    }
}

/// Escapes a path for a terminal: a file name is as untrusted as the file.
fn printable(path: &Path) -> String {
    Printable(&path.to_string_lossy()).to_string()
}

/// Formats a size for display.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// Tells that a file does not fit into a ConfigMap, if it does not.
fn config_map_limit(bytes: u64) -> Option<&'static str> {
    (bytes > MAX_CONFIG_MAP).then_some("too large for a ConfigMap, which holds 1 MiB")
}
