//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

pub use crate::{approval::fuzz::approvals, arguments::fuzz::arguments, audit::fuzz::audited};
