//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use crate::escape;

/// Escaped text is no markup, and a browser shows what was escaped.
pub fn html_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let escaped = escape::text(&text);
    assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped}");
    let mut shown = escaped;
    for (entity, letter) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        shown = shown.replace(entity, letter);
    }
    assert_eq!(shown, text);
}
