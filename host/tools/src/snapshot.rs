//! What is served at one time: built whole from what each file was loaded as, and swapped in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use porthole_contract::{Digest, Printable, ToolName};

use super::Tool;
use crate::settings::Settings;

/// The tools that are served at one time, and the files that are not.
#[derive(Default)]
pub struct Snapshot {
    /// The served tools, by their names.
    pub tools: BTreeMap<ToolName, Arc<Tool>>,
    /// Files that are not served, and why.
    pub failures: BTreeMap<String, String>,
    /// Tools that the operator has closed.
    pub closed: BTreeSet<ToolName>,
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
    /// The snapshot of these files, after `before`. Of several with one name the one that is served already stays, so that a
    /// file that is put beside it cannot take its place; else the one that is called as its tool; else the first in the
    /// alphabet. While the file that is called as a tool is `awaited`, no other is served under that name.
    pub(super) fn of<'f>(
        settings: &Settings,
        files: impl Iterator<Item = (&'f String, &'f Loaded)>,
        before: Option<&Self>,
        awaited: impl Fn(&str) -> bool,
    ) -> Self {
        let mut snapshot = Self::default();
        let mut candidates: BTreeMap<&ToolName, Vec<&Arc<Tool>>> = BTreeMap::new();
        for (file, loaded) in files {
            if let Some(failure) = &loaded.failure {
                let still = loaded.tool.as_ref().map(|tool| {
                    let (version, digest) = (&tool.description.version, tool.digest.short());
                    format!(" Version {version} (sha256:{digest}…) still is.")
                });
                let reason = format!("{failure}.{}", still.unwrap_or_default());
                snapshot.failures.insert(Printable(file).to_string(), reason);
            }
            let Some(tool) = &loaded.tool else { continue };
            if settings.serves(&tool.description.name) {
                candidates.entry(&tool.description.name).or_default().push(tool);
            } else {
                snapshot.closed.insert(tool.description.name.clone());
            }
        }
        for (name, tools) in candidates {
            let own = format!("{name}.wasm");
            let served = before.and_then(|before| before.tools.get(name)).map(|tool| tool.file.as_str());
            let called = |file: &str| tools.iter().find(|tool| tool.file == file);
            let Some(winner) = served.and_then(called).or_else(|| called(&own)).or(tools.first()) else {
                continue;
            };
            if winner.file != own && served != Some(&winner.file) && awaited(&own) {
                continue;
            }
            for other in tools.iter().filter(|tool| tool.file != winner.file) {
                let reason = format!("its tool {name} is served from {}", Printable(&winner.file));
                snapshot.failures.insert(Printable(&other.file).to_string(), reason);
            }
            snapshot.tools.insert(name.clone(), Arc::clone(winner));
        }
        snapshot
    }

    /// Whether the same tools are served, byte for byte.
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        let digests =
            |snapshot: &Self| -> Vec<Digest> { snapshot.tools.values().map(|tool| tool.digest).collect() };
        digests(self) == digests(other)
    }
}
