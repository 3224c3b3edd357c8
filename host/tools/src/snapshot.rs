//! Immutable set of served tools, rebuilt and swapped atomically.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use porthole_contract::{Digest, Printable, ToolName, Version};
use porthole_guard::Grant;

use super::{Origin, Tool};
use crate::{
    approval::{Admission, Decision, Declaration, Hold},
    settings::Settings,
};

/// A file that waits for an operator's approval.
#[derive(Debug, Clone)]
pub struct HeldTool {
    /// Name of its tool.
    pub name: ToolName,
    /// Version of its tool.
    pub version: Version,
    /// Reason that it is held.
    pub hold: Hold,
}

/// Served tools and failed files at one time.
#[derive(Default)]
pub struct Snapshot {
    /// Served tools, by name.
    pub tools: BTreeMap<ToolName, Arc<Tool>>,
    /// Origins of those that came from a registry, by tool name.
    pub origins: BTreeMap<ToolName, Arc<Origin>>,
    /// Errors of the files that are not served, by file name.
    pub failures: BTreeMap<String, String>,
    /// Files that wait for an approval, by file name; their reasons are in `failures`, too.
    pub held: BTreeMap<String, HeldTool>,
    /// Tools that the operator's settings exclude.
    pub disabled: BTreeSet<ToolName>,
    /// Grants of the tools of which an approval names kinds.
    bounded_grants: BTreeMap<ToolName, Arc<Grant>>,
}

/// Load state of a file.
#[derive(Default, Clone)]
pub(super) struct FileState {
    /// Tool of the file's current version, or of its last valid one.
    pub(super) tool: Option<Arc<Tool>>,
    /// Tool that is served while `tool` waits for an approval.
    pub(super) previous: Option<Arc<Tool>>,
    /// Load error of the current version.
    pub(super) failure: Option<String>,
}

impl FileState {
    /// The newest tool of the file that is served under `admission`.
    pub(super) fn approved(&self, admission: &Admission) -> Option<&Arc<Tool>> {
        let is_approved =
            |tool: &&Arc<Tool>| !matches!(admission.decide(&Declaration::from(&***tool)), Decision::Held(_));
        [&self.tool, &self.previous].into_iter().flatten().find(is_approved)
    }
}

impl Snapshot {
    /// Builds the snapshot of these files as the successor of `before`. If several files declare one name, precedence
    /// goes to the one already served, so that a file put beside it cannot replace it; then to the one named after the
    /// tool; then to the first in the alphabet. While the file named after a tool is `awaited`, no other is served
    /// under that name. A file that `admission` holds has no part in this; its previous version has.
    pub(super) fn of<'f>(
        settings: &Settings,
        admission: &Admission,
        files: impl Iterator<Item = (&'f String, &'f FileState)>,
        before: Option<&Self>,
        awaited: impl Fn(&str) -> bool,
    ) -> Self {
        let mut snapshot = Self::default();
        let mut failed: Vec<(&String, &FileState, Option<String>)> = Vec::new();
        let mut candidates: BTreeMap<&ToolName, Vec<&Arc<Tool>>> = BTreeMap::new();
        for (file, state) in files {
            if state.failure.is_some() {
                failed.push((file, state, state.failure.clone()));
            }
            let Some(tool) = &state.tool else { continue };
            let (name, version) = (&tool.description.name, &tool.description.version);
            if !settings.serves(name) {
                snapshot.disabled.insert(name.clone());
                continue;
            }
            let Decision::Held(hold) = admission.decide(&Declaration::from(&**tool)) else {
                candidates.entry(name).or_default().push(tool);
                continue;
            };
            if let Some(previous) = state.approved(admission)
                && settings.serves(&previous.description.name)
            {
                candidates.entry(&previous.description.name).or_default().push(previous);
            }
            if state.failure.is_none() {
                failed.push((file, state, Some(format!("{hold}; {}", admission.advice(&hold)))));
            }
            let held = HeldTool { name: name.clone(), version: version.clone(), hold };
            snapshot.held.insert(Printable(file).to_string(), held);
        }
        for (name, tools) in candidates {
            let own_file = format!("{name}.wasm");
            let served = before.and_then(|before| before.tools.get(name)).map(|tool| tool.file.as_str());
            let of_file = |file: &str| tools.iter().find(|tool| tool.file == file);
            let Some(winner) = served.and_then(of_file).or_else(|| of_file(&own_file)).or(tools.first())
            else {
                continue;
            };
            if winner.file != own_file && served != Some(&winner.file) && awaited(&own_file) {
                continue;
            }
            for other in tools.iter().filter(|tool| tool.file != winner.file) {
                let reason = format!("its tool {name} is served from {}", Printable(&winner.file));
                snapshot.failures.insert(Printable(&other.file).to_string(), reason);
            }
            if let Some(grant) = admission.bounded_grant(&Declaration::from(&***winner)) {
                snapshot.bounded_grants.insert(name.clone(), grant);
            }
            snapshot.tools.insert(name.clone(), Arc::clone(winner));
        }
        // Last: the earlier version may be disabled, or another file may have its name.
        for (file, state, reason) in failed {
            let reason = snapshot.load_failure(state, &reason.unwrap_or_default());
            snapshot.failures.insert(Printable(file).to_string(), reason);
        }
        snapshot
    }

    /// The reads of a served tool: its declaration, within its approvals if one of them names kinds.
    pub fn grant<'s>(&'s self, tool: &'s Tool) -> &'s Arc<Grant> {
        let description = &tool.description;
        self.bounded_grants.get(&description.name).unwrap_or(&description.grant)
    }

    /// The reason for which a file is not served, and the version of it that still is.
    fn load_failure(&self, state: &FileState, failure: &str) -> String {
        let is_served = |tool: &&Arc<Tool>| {
            self.tools.get(&tool.description.name).is_some_and(|served| Arc::ptr_eq(served, tool))
        };
        let versions = [&state.tool, &state.previous].into_iter().flatten();
        let still = versions.into_iter().find(is_served).map(|tool| {
            let (version, digest) = (&tool.description.version, tool.digest.short());
            format!(" Version {version} (sha256:{digest}…) still is.")
        });
        format!("{failure}.{}", still.unwrap_or_default())
    }

    /// True if both snapshots serve the same tools, by digest.
    pub(super) fn serves_same_tools(&self, other: &Self) -> bool {
        let digests =
            |snapshot: &Self| -> Vec<Digest> { snapshot.tools.values().map(|tool| tool.digest).collect() };
        digests(self) == digests(other)
    }
}
