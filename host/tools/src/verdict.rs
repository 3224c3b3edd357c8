//! Verdict of a call: one label for the audit line, the metrics and the admin page.

use serde::{Serialize, Serializer};

/// Verdict of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answered by the tool.
    Ok,
    /// The tool returned an error of its own.
    Error,
    /// Rejected: the arguments do not fit the schema.
    Arguments,
    /// Rejected: no tool of that name is served.
    Unknown,
    /// Rejected: the operator's policy does not open the tool to the caller.
    Policy,
    /// Rejected or stopped: too many calls, or the shared memory budget is exhausted.
    Busy,
    /// Rejected: the audit line cannot be written.
    Audit,
    /// Rejected: the request is malformed.
    Malformed,
    /// Rejected: the client cancelled it before it began.
    Cancelled,
    /// Stopped by one of the tool's limits.
    Limit,
    /// Stopped by a fault of the component.
    Fault,
    /// The answer exceeds the limit `output`.
    Overlong,
    /// Dropped before its end, as a rule because the client disconnected.
    Left,
}

impl Verdict {
    /// Label of the verdict.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Arguments => "arguments",
            Self::Unknown => "unknown",
            Self::Policy => "policy",
            Self::Busy => "busy",
            Self::Audit => "audit",
            Self::Malformed => "malformed",
            Self::Cancelled => "cancelled",
            Self::Limit => "limit",
            Self::Fault => "fault",
            Self::Overlong => "overlong",
            Self::Left => "left",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
