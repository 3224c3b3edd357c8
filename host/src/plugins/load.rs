//! Loading one file: compiled off the async threads or taken from the cache, checked, and described.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};

use super::{Tool, arguments::Parameters};
use crate::{
    config::Config,
    sandbox::{self, CompiledCode, Component, Description, Digest, Engine, LoadError, grant},
};

/// Larger files are not read: a component in Python is 18 MB, with many libraries 40 MB.
const LARGEST: u64 = 128 << 20;

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unserved {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is larger than any tool.
    #[error("it has {0} bytes; a tool has at most {LARGEST}")]
    TooLarge(u64),
    /// The sandbox does not take it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What it says of itself cannot be served.
    #[error("{0}")]
    Description(String),
    /// Compiling it ended without a result.
    #[error("compiling it failed")]
    Compile,
}

/// Makes tools of files.
pub(crate) struct Loader {
    pub(crate) engine: Arc<Engine>,
    /// None: everything is compiled at each start.
    pub(crate) compiled: Option<Arc<CompiledCode>>,
    pub(crate) config: Config,
}

impl Loader {
    /// Loads a file; None where its bytes have the digest of `served`.
    pub(crate) async fn load(&self, path: &Path, served: Option<&Digest>) -> Result<Option<Tool>, Unserved> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = path.to_owned();
        let (engine, compiled) = (Arc::clone(&self.engine), self.compiled.clone());
        let served = served.cloned();
        let loaded = tokio::task::spawn_blocking(move || {
            let size = std::fs::metadata(&path)?.len();
            if size > LARGEST {
                return Err(Unserved::TooLarge(size));
            }
            let wasm = std::fs::read(&path)?;
            let digest = sandbox::digest(&wasm);
            if served.as_ref() == Some(&digest) {
                return Ok(None);
            }
            let component = Component::load(&engine, compiled.as_deref(), &wasm, &digest)?;
            Ok::<_, Unserved>(Some((component, digest)))
        });
        let Some((component, digest)) = loaded.await.map_err(|_| Unserved::Compile)?? else {
            return Ok(None);
        };
        let description = component.describe(self.config.most_memory()).await?;
        let input_schema = schema("input-schema", &description.input_schema)?;
        let output_schema = description
            .output_schema
            .as_deref()
            .map(|text| schema("output-schema", text))
            .transpose()?
            .map(Arc::new);
        check(&description)?;
        let parameters = Parameters::parse(&input_schema).map_err(Unserved::Description)?;
        Ok(Some(Tool {
            grant: Arc::new(grant(&description)),
            limits: self.config.limits_of(&description.name),
            file,
            digest,
            input_schema: Arc::new(input_schema),
            output_schema,
            parameters,
            component,
            description,
        }))
    }
}

fn schema(what: &str, text: &str) -> Result<Map<String, Value>, Unserved> {
    serde_json::from_str(text)
        .map_err(|error| Unserved::Description(format!("its {what} is not a JSON object: {error}")))
}

fn check(description: &Description) -> Result<(), Unserved> {
    let Description { name, version, summary, .. } = description;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let wrong = |text: String| Err(Unserved::Description(text));
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return wrong(format!("its name {name:?} is not 1 to 64 of a-z, 0-9 and _"));
    }
    if version.is_empty() || version.len() > 64 {
        return wrong(format!("its version {version:?} is empty or too long"));
    }
    if summary.trim().is_empty() {
        return wrong("its summary is empty: a model could not know when to use it".to_owned());
    }
    Ok(())
}
