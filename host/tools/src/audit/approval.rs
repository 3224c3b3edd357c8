//! Audit lines of approvals: the reads that were let in under a tool's name, with their approver.

use std::time::SystemTime;

use porthole_contract::{Digest, ToolName};
use serde::Serialize;

use crate::approval::{Approval, RuleText};

/// Event of the approvals that the audit log reports. Its line has no caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApprovalEvent {
    /// An approval took effect.
    Approved(ToolName, Approval),
    /// So many others took effect at the same time, and have no line of their own.
    MoreApproved(usize),
}

#[derive(Serialize)]
struct Line<'a> {
    audit: String,
    #[serde(flatten)]
    event: EventText<'a>,
}

/// An event as written; `event` tells its line from that of a call.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum EventText<'a> {
    Approved {
        tool: &'a str,
        version: &'a str,
        digest: Digest,
        /// Bounded by its parser, as are all fields of an approval.
        reads: Vec<RuleText>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kinds: Option<Vec<String>>,
        by: &'a str,
        at: &'a str,
    },
    MoreApproved {
        count: usize,
    },
}

impl ApprovalEvent {
    /// Renders the event as a JSON line with a timestamp.
    pub(super) fn render(&self) -> Option<Vec<u8>> {
        let audit = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let event = match self {
            Self::Approved(tool, approval) => EventText::Approved {
                tool,
                version: &approval.version,
                digest: approval.digest,
                reads: approval.reads.rules().iter().map(RuleText::of).collect(),
                kinds: approval.kinds.as_ref().map(|kinds| kinds.names()),
                by: &approval.by,
                at: &approval.at,
            },
            Self::MoreApproved(count) => EventText::MoreApproved { count: *count },
        };
        serde_json::to_vec(&Line { audit, event }).ok().map(super::terminate)
    }
}
