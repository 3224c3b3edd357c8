//! Verdicts on calls, one word each: for the audit line, the metrics and the page.

use serde::{Serialize, Serializer};

/// The word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The tool answered.
    Ok,
    /// The tool answered with an error of its own.
    Error,
    /// Did not begin: the arguments do not fit the schema.
    Arguments,
    /// Did not begin: no tool of that name is served.
    Unknown,
    /// Did not begin, or did not grow: too many calls, or no memory left for all of them.
    Busy,
    /// Did not begin: its audit line could not be written.
    Audit,
    /// Did not begin: the request is malformed.
    Malformed,
    /// Did not begin: the client cancelled it.
    Cancelled,
    /// Ended by one of the tool's limits.
    Limit,
    /// Ended by a fault of the component.
    Fault,
    /// Answered more than the limit `output`.
    Overlong,
    /// The client left meanwhile.
    Left,
}

impl Verdict {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Arguments => "arguments",
            Self::Unknown => "unknown",
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
