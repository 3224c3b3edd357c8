//! `porthole plugin compile`: fills the compile cache ahead of time, for a fast start of the host.

use std::{path::Path, process::ExitCode, time::Instant};

use anyhow::{Context, bail};
use porthole_tools::Loader;

use super::{printable, size};

/// Compiles every file of a folder that is missing from the cache.
pub(super) async fn compile(folder: &Path, loader: &Loader) -> anyhow::Result<ExitCode> {
    if loader.compiler.cache.is_none() {
        bail!(
            "compiled code is kept nowhere: the cache is off, or a warning says why its folder is not used; name one with --cache DIR"
        );
    }
    let files = porthole_tools::files(folder).with_context(|| {
        format!("{} cannot be read; name the folder of tools with --plugins", printable(folder))
    })?;
    if files.is_empty() {
        bail!("there is no tool in {}; name the folder of tools with --plugins", printable(folder));
    }
    let mut all = true;
    for file in &files {
        let began = Instant::now();
        let compiled = async {
            let wasm = loader.open(file).await?;
            loader.code(&wasm).await.map(|_| wasm.size())
        };
        match compiled.await {
            Ok(bytes) => {
                println!("{} is compiled: {} in {:.1?}", printable(file), size(bytes), began.elapsed())
            }
            Err(reason) => {
                all = false;
                eprintln!("{} is not compiled: {reason}", printable(file));
            }
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
