//! The one place through which a tool's reads go: declared by the tool, not closed by
//! the operator, within the call's budget, redacted, counted.
//!
//! Knows: kinds and verbs, and who asks. Does not know: components, MCP.

mod audit;
mod denied;
mod grant;
mod ledger;
mod reading;
mod redaction;

pub(crate) use audit::{Audit, AuditLine, OnFailure, Redactor, Reservation};
pub(crate) use denied::Denied;
pub(crate) use grant::{Grant, ReadRule, Verb};
pub(crate) use ledger::{Ledger, ReadLog};
pub(crate) use reading::{Reading, ReadingLimits, Tally};
