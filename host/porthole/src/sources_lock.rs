//! Lock of sources beside the tools that the host serves: the origin of each.

use std::{path::PathBuf, sync::Arc};

use porthole_registry::SourcesLock;
use porthole_tools::{Origin, OriginSource, Origins};

use crate::cli::Serve;

/// Name of the lock of sources in the folder of the tools. `tools.lock` is the lock of approvals.
pub(crate) const SOURCES_LOCK: &str = "sources.lock";

/// Path of the lock that the options select.
pub(crate) fn path(options: &Serve) -> PathBuf {
    options.sources_lock.clone().unwrap_or_else(|| options.plugins.join(SOURCES_LOCK))
}

/// Origins of tools, out of the lock at `path`.
pub(crate) fn origins(path: PathBuf) -> OriginSource {
    let read = {
        let path = path.clone();
        move || {
            let lock = SourcesLock::read(&path).map_err(|error| error.to_string())?;
            let mut origins = Origins::default();
            for (image, tool) in lock.images() {
                let origin = Origin::parse(image.at(tool.manifest).to_string(), tool.signed_by.clone());
                if let Some(origin) = origin {
                    origins.insert(image.file_name(), tool.layer.sha256(), origin);
                }
            }
            Ok(origins)
        }
    };
    OriginSource { path, read: Arc::new(read) }
}
