//! Loads a file: opens it, compiles it in a child process or reads the compile cache, links it, and parses its
//! declaration.

use std::{path::Path, sync::Arc};

use porthole_contract::{Printable, truncate};
use porthole_sandbox::{Code, CompileError, Compiler, Component, Engine, LoadError, OpenError, WasmFile};

use super::{Tool, arguments::Parameters};
use crate::settings::Settings;

/// Maximum bytes of a reason that a file is not served; `/readyz` shows it to anyone.
const MAX_REASON: usize = 1 << 10;

/// Error when a file cannot be served. Its text cannot end a line or control a terminal.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// The file cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sandbox rejects it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tool's input schema is unsupported.
    #[error("{}", Printable(.0))]
    Arguments(String),
    /// The host is ending.
    #[error("loading it was interrupted")]
    Interrupted,
}

impl LoadFailure {
    /// The reason as it is kept, logged and listed: short, whatever the file holds. Thousands of files may fail.
    pub fn reason(&self) -> String {
        let reason = self.to_string();
        let kept = truncate(&reason, MAX_REASON);
        if kept.len() == reason.len() { reason } else { format!("{kept}… ({} bytes)", reason.len()) }
    }

    /// True if another attempt may succeed although the file stays unchanged.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Open(error) => error.is_transient(),
            Self::Load(LoadError::Compile(error)) => error.is_transient(),
            Self::Load(LoadError::Memory(_)) | Self::Interrupted => true,
            Self::Load(_) | Self::Arguments(_) => false,
        }
    }
}

impl From<CompileError> for LoadFailure {
    fn from(error: CompileError) -> Self {
        Self::Load(error.into())
    }
}

impl From<tokio::task::JoinError> for LoadFailure {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Interrupted
    }
}

/// Loads tools from files.
pub struct Loader {
    /// Links and runs components.
    pub engine: Arc<Engine>,
    /// Compiles files.
    pub compiler: Compiler,
    /// Operator settings.
    pub settings: Settings,
}

impl Loader {
    /// Loads a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, compiled, linked or described, or its schema is not supported.
    pub async fn load(&self, path: &Path) -> Result<Tool, LoadFailure> {
        let wasm = self.open(path).await?;
        self.load_open(path, &wasm).await
    }

    /// Loads an open file.
    ///
    /// # Errors
    ///
    /// If the file cannot be compiled, linked or described, or its schema is not supported.
    pub async fn load_open(&self, path: &Path, wasm: &WasmFile) -> Result<Tool, LoadFailure> {
        let code = self.code(wasm).await?;
        self.tool(path, wasm, code).await
    }

    /// Opens a file.
    pub async fn open(&self, path: &Path) -> Result<WasmFile, LoadFailure> {
        let path = path.to_owned();
        Ok(tokio::task::spawn_blocking(move || WasmFile::open(&path)).await??)
    }

    /// Compiled code of a file, from the cache if possible.
    pub async fn code(&self, wasm: &WasmFile) -> Result<Code, LoadFailure> {
        Ok(self.compiler.code(&self.engine, wasm).await?)
    }

    /// Links the compiled code of a file, and parses its declaration.
    pub async fn tool(&self, path: &Path, wasm: &WasmFile, code: Code) -> Result<Tool, LoadFailure> {
        let engine = Arc::clone(&self.engine);
        let component = tokio::task::spawn_blocking(move || Component::link(&engine, &code)).await??;
        let description = component.describe(self.settings.max_memory()).await?;
        let parameters = Parameters::parse(&description.input_schema).map_err(LoadFailure::Arguments)?;
        Ok(Tool {
            limits: self.settings.limits_of(&description.name),
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            digest: *wasm.digest(),
            parameters,
            component,
            description,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_kept_short() {
        let reason = LoadFailure::Arguments("\u{e0001}".repeat(16_300)).reason();
        assert!(reason.len() < MAX_REASON + 40 && reason.ends_with(" bytes)"), "{} bytes", reason.len());
        assert_eq!(LoadFailure::Interrupted.reason(), "loading it was interrupted");
    }
}
