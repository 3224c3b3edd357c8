//! The one place through which a tool's reads go: declared by the tool, not closed by
//! the operator, within the call's budget, redacted, counted.
//!
//! Knows: kinds and verbs, and who asks. Does not know: components, MCP.

mod audit;
mod denied;
mod grant;
mod made;
mod reading;
mod redaction;

pub(crate) use audit::{Audit, AuditLine, shown};
pub(crate) use denied::Denied;
pub(crate) use grant::{Grant, ReadRule, Verb};
pub(crate) use made::{Ledger, Made};
pub(crate) use reading::{Reading, ReadingLimits, Tally};
