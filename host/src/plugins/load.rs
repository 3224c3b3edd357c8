//! Loading the folder of tools: each file compiled off the async threads, checked, described, and swapped in.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Plugins, Snapshot, Tool, arguments::Parameters};
use crate::sandbox::{Component, Description, LoadError, grant};

/// Larger files are not read: a component in Python is 18 MB, with many libraries 40 MB.
const LARGEST: u64 = 128 << 20;

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unserved {
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

impl Plugins {
    /// Loads every `.wasm` file of the folder; each is served as soon as it is ready.
    pub(crate) async fn load_all(self: Arc<Self>) {
        let files = match files(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!("the folder of tools {} cannot be read: {error}", self.folder.display());
                Vec::new()
            }
        };
        // One after the other: compiling one uses every core, and the memory that two need at once is never given back.
        for file in files {
            let loaded = self.load(&file).await;
            self.swap_in(&file, loaded);
        }
        let snapshot = self.now();
        tracing::info!(
            tools = snapshot.tools.len(),
            failed = snapshot.failures.len(),
            "tools loaded from {}",
            self.folder.display()
        );
        self.loaded.send_replace(true);
    }

    async fn load(&self, file: &str) -> Result<Tool, Unserved> {
        let path = self.folder.join(file);
        let engine = Arc::clone(&self.engine);
        let (component, digest) = tokio::task::spawn_blocking(move || {
            let size = std::fs::metadata(&path)?.len();
            if size > LARGEST {
                return Err(Unserved::TooLarge(size));
            }
            let wasm = std::fs::read(&path)?;
            let digest = Sha256::digest(&wasm).iter().map(|byte| format!("{byte:02x}")).collect();
            Ok::<(Component, String), Unserved>((Component::compile(&engine, &wasm)?, digest))
        })
        .await
        .map_err(|_| Unserved::Compile)??;
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
        Ok(Tool {
            grant: Arc::new(grant(&description)),
            limits: self.config.limits_of(&description.name),
            file: file.to_owned(),
            digest,
            input_schema: Arc::new(input_schema),
            output_schema,
            parameters,
            component,
            description,
        })
    }

    /// Builds the next snapshot and swaps it in whole.
    fn swap_in(&self, file: &str, loaded: Result<Tool, Unserved>) {
        let loaded = match loaded {
            Ok(tool) => {
                let Description { name, version, .. } = &tool.description;
                tracing::info!(tool = name, version, digest = tool.digest, file, "tool loaded");
                Ok(Arc::new(tool))
            }
            Err(reason) => {
                tracing::error!("{file} is not served: {reason}");
                Err(reason.to_string())
            }
        };
        self.snapshot.rcu(|now| now.with(file, &loaded));
    }
}

impl Snapshot {
    /// The snapshot after this one, in which what `file` was loaded as is served, or the reason stands why it is not.
    fn with(&self, file: &str, loaded: &Result<Arc<Tool>, String>) -> Self {
        let mut next = Self { tools: self.tools.clone(), failures: self.failures.clone() };
        let tool = match loaded {
            Ok(tool) => tool,
            Err(reason) => {
                next.failures.insert(file.to_owned(), reason.clone());
                return next;
            }
        };
        next.failures.remove(file);
        let name = &tool.description.name;
        // Of two files with one name the first in the alphabet is served, whichever was ready first.
        let (served, other) = match next.tools.get(name) {
            Some(there) if there.file < tool.file => (Arc::clone(there), Some(Arc::clone(tool))),
            there => (Arc::clone(tool), there.filter(|there| there.file != tool.file).cloned()),
        };
        if let Some(other) = other {
            next.failures
                .insert(other.file.clone(), format!("its tool {name} is served from {}", served.file));
        }
        next.tools.insert(name.clone(), served);
        next
    }
}

/// The names of the files to load, in order. Hidden ones are an editor's, or a ConfigMap's own.
fn files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut files: Vec<String> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".wasm") && !name.starts_with('.'))
        .collect();
    files.sort_unstable();
    Ok(files)
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
