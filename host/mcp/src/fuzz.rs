//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

pub use crate::{id::fuzz::message_ids, sse::fuzz::sse_event};
