//! Oracle of events: a client that ends lines at more than line feeds reads the message that was sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use rmcp::{
    ErrorData,
    model::{RequestId, ServerJsonRpcMessage},
};

use super::outbox::Event;
use crate::lines::escape;

/// Line ends of Python's `splitlines`.
const ENDS: [char; 10] =
    ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Any text arrives as it was sent, in one event with one line of data.
pub fn sse_event(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let id = RequestId::String(text.as_str().into());
    let error = ErrorData::internal_error(text.clone(), None);
    let event = Event::of(&ServerJsonRpcMessage::error(error, Some(id.clone()))).expect("it can be written");
    assert_eq!(event.answers, Some(Some(id)));
    let written = std::str::from_utf8(&event.bytes).expect("events are text");
    let lines: Vec<&str> = written.split(ENDS).collect();
    let [kind, data, "", ""] = lines[..] else { panic!("{} lines", lines.len()) };
    assert_eq!(kind, "event: message");
    let data = data.strip_prefix("data: ").expect("data");
    let message: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(
        (&message["error"]["message"], &message["id"]),
        (&text.as_str().into(), &text.as_str().into())
    );
    assert_eq!(escape(event.bytes.clone()), event.bytes);
}
