//! What is served at one time: built whole from what each file was loaded as, and swapped in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Tool;
use crate::config::Config;

/// The tools that are served at one time, and the files that are not.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) tools: BTreeMap<String, Arc<Tool>>,
    /// Files that are not served, and why.
    pub(crate) failures: BTreeMap<String, String>,
    /// Tools that the operator has closed.
    pub(crate) closed: BTreeSet<String>,
}

/// What a file was loaded as.
#[derive(Default, Clone)]
pub(super) struct Loaded {
    /// The tool that it is, or the last one that it was.
    pub(super) tool: Option<Arc<Tool>>,
    /// Why what is in it now is not served.
    pub(super) failure: Option<String>,
}

impl Snapshot {
    /// The snapshot of these files. Of two with one name the first in the alphabet is served.
    pub(super) fn of<'f>(config: &Config, files: impl Iterator<Item = (&'f String, &'f Loaded)>) -> Self {
        let mut snapshot = Self::default();
        for (file, loaded) in files {
            if let Some(failure) = &loaded.failure {
                let still = loaded.tool.as_ref().map(|tool| {
                    let (version, digest) = (&tool.description.version, tool.digest.get(..12));
                    format!(" Version {version} (sha256:{}…) still is.", digest.unwrap_or_default())
                });
                snapshot.failures.insert(file.clone(), format!("{failure}.{}", still.unwrap_or_default()));
            }
            let Some(tool) = &loaded.tool else { continue };
            if !config.serves(&tool.description.name) {
                snapshot.closed.insert(tool.description.name.clone());
                continue;
            }
            match snapshot.tools.get(&tool.description.name) {
                Some(first) => {
                    let reason = format!("its tool {} is served from {}", tool.description.name, first.file);
                    snapshot.failures.insert(file.clone(), reason);
                }
                None => {
                    snapshot.tools.insert(tool.description.name.clone(), Arc::clone(tool));
                }
            }
        }
        snapshot
    }

    /// Whether the same tools are served, byte for byte.
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        let digests = |snapshot: &Self| -> Vec<String> {
            snapshot.tools.values().map(|tool| tool.digest.clone()).collect()
        };
        digests(self) == digests(other)
    }
}
