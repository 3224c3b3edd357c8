//! Entries into this crate's pure paths for `host/porthole/tests/costs.rs`, which counts their allocations, so that nothing
//! private becomes public.

use rmcp::model::ClientJsonRpcMessage;

use crate::id::{called_tool, ids, is_notification, within_limits};

/// Scans a message as the transports do, and parses it as rmcp does. Returns the called tool; `None` if the message is
/// refused or calls none.
pub fn message(body: &[u8]) -> Option<String> {
    if !within_limits(body) || is_notification(body) || ids(body).len() != 1 {
        return None;
    }
    let _: ClientJsonRpcMessage = serde_json::from_slice(body).ok()?;
    called_tool(body)
}
