//! Approval of what tools may read: reads that were let in, and the decision about a file that asks for others.
//!
//! A tool declares its reads itself, so whoever can replace its file can widen them. An approval remembers the reads of a
//! tool's name; a file that asks for more, or for an older version, is held until an operator approves it.

mod admission;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod lock;
mod reports;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::BTreeMap, fmt, sync::Arc};

use porthole_contract::{Digest, ToolName, Version};
use porthole_guard::{ApprovedReads, Excess, Grant, NamedKinds};
use serde::Deserialize;

pub(crate) use admission::Admission;
pub use admission::{ApprovalSettings, ApprovalSource};
pub use lock::{ApprovalLock, LockError};
pub use text::ApprovalText;
pub(crate) use text::RuleText;

use crate::{Tool, folder::MAX_FILES};

/// Maximum number of approvals: as many as there may be files. Without it, an account that can write to the folder could
/// make the lock as long as there are names.
pub(crate) const MAX_APPROVALS: usize = MAX_FILES;

/// Approver of a tool that was served without an operator's approval.
const FIRST_SEEN: &str = "porthole, when it was first seen";

/// Declarations that need an approval (`tools.approve`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalMode {
    /// No declaration: every valid file is served.
    None,
    /// Those that go beyond what was approved, or served first, under the tool's name.
    #[default]
    Wider,
    /// Those, and every name without an approval.
    Always,
}

/// Reads approved under a tool's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Version that was let in last; a lower one is held.
    pub version: Version,
    /// Digest of that version's file.
    pub digest: Digest,
    /// Reads that were approved.
    pub reads: Arc<Grant>,
    /// Kinds for which `*` stands in them; `None` for any.
    pub kinds: Option<Arc<NamedKinds>>,
    /// Name of the approver.
    pub by: String,
    /// Date and time of it.
    pub at: String,
}

/// Approvals by tool name, at most `MAX_APPROVALS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals(BTreeMap<ToolName, Approval>);

impl Approvals {
    /// The approval of a name.
    pub fn get(&self, tool: &str) -> Option<&Approval> {
        self.0.get(tool)
    }

    /// Adds or replaces an approval; false if there are too many.
    pub fn insert(&mut self, tool: ToolName, approval: Approval) -> bool {
        let fits = self.0.len() < MAX_APPROVALS || self.0.contains_key(&tool);
        if fits {
            self.0.insert(tool, approval);
        }
        fits
    }

    /// True if nothing is approved.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All approvals, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ToolName, &Approval)> {
        self.0.iter()
    }
}

/// Declaration of a file, which is compared with approvals.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'t> {
    /// Name of its tool.
    pub name: &'t ToolName,
    /// Version of its tool.
    pub version: &'t Version,
    /// Digest of the file.
    pub digest: &'t Digest,
    /// Declared reads.
    pub reads: &'t Arc<Grant>,
}

impl<'t> From<&'t Tool> for Declaration<'t> {
    fn from(tool: &'t Tool) -> Self {
        let description = &tool.description;
        Self {
            name: &description.name,
            version: &description.version,
            digest: &tool.digest,
            reads: &description.grant,
        }
    }
}

/// Decision about serving a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It stays within what was approved.
    Approved,
    /// Its name has no approval, and needs none.
    New,
    /// It waits for an approval.
    Held(Hold),
}

/// Reason that a file is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It asks for reads beyond the approved ones.
    Wider(Excess),
    /// Its version is lower than this one, which was let in before.
    Older(Version),
    /// Its name has no approval, and the mode is [`ApprovalMode::Always`].
    Unapproved,
    /// Its name may have an approval in a lock that cannot be read.
    Unreadable,
    /// It is new, and there are `MAX_APPROVALS` names already.
    Full,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wider(excess) => {
                write!(f, "it asks for ({excess}) in addition to what is approved under its name")
            }
            Self::Older(version) => write!(f, "its version is lower than {version}, which was let in before"),
            Self::Unapproved => f.write_str("nothing is approved under its name (`tools.approve: always`)"),
            Self::Unreadable => f.write_str(
                "the lock of approvals cannot be read, so nobody knows what is approved under its name",
            ),
            Self::Full => write!(f, "{MAX_APPROVALS} names are approved already"),
        }
    }
}

impl Hold {
    /// Short name of the reason, for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Wider(_) => "wider",
            Self::Older(_) => "older",
            Self::Unapproved => "unapproved",
            Self::Unreadable => "unreadable",
            Self::Full => "full",
        }
    }

    /// The reads beyond the approved ones, in one line.
    pub fn asks_for(&self) -> Option<String> {
        match self {
            Self::Wider(excess) => Some(excess.to_string()),
            _ => None,
        }
    }
}

/// Decides about a file. `given` are the approvals of its tool's name, of which there may be one in the lock and one in
/// the configuration: what both open together is approved.
pub fn decide(mode: ApprovalMode, given: &[&Approval], declared: &Declaration<'_>) -> Decision {
    let approved = match (mode, given) {
        (ApprovalMode::None, _) => return Decision::Approved,
        (ApprovalMode::Wider, []) => return Decision::New,
        (ApprovalMode::Always, []) => return Decision::Held(Hold::Unapproved),
        (_, [one]) => Arc::clone(&one.reads),
        (_, several) => {
            let rules = several.iter().flat_map(|approval| approval.reads.rules()).cloned();
            Arc::new(Grant::new(rules.collect()))
        }
    };
    if let Some(excess) = approved.excess(declared.reads) {
        return Decision::Held(Hold::Wider(excess));
    }
    // The very file that was approved may come back, whatever was let in since.
    if given.iter().any(|approval| approval.digest == *declared.digest) {
        return Decision::Approved;
    }
    let older = given.iter().find(|approval| declared.version.precedes(&approval.version));
    older.map_or(Decision::Approved, |approval| Decision::Held(Hold::Older(approval.version.clone())))
}

/// The reads of a tool with these approvals if one of them names kinds: its declaration, within what operators approved.
pub fn granted(given: &[&Approval], declared: &Declaration<'_>) -> Option<Grant> {
    if given.iter().all(|approval| approval.kinds.is_none()) {
        return None;
    }
    // What a host let in by itself is no approval.
    let by_operators = given.iter().filter(|approval| approval.by != FIRST_SEEN);
    let approved = by_operators
        .map(|approval| ApprovedReads { reads: Arc::clone(&approval.reads), kinds: approval.kinds.clone() });
    Some(declared.reads.within(approved.collect()))
}
