//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

pub use crate::description::fuzz::description;

use crate::imports::{Import, classify, denied, list_names};

/// Holds that refused imports are listed on one line, and that only our interfaces and the plain ones of WASI are not
/// refused.
pub fn imports(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let refused = denied(text.split('\n'));
    for import in text.split('\n') {
        let is_refused = classify(import) == Import::Refused;
        assert_eq!(is_refused, refused.iter().any(|refused| refused == import));
        let network = ["wasi:sockets", "wasi:http", "wasi:tls"].iter().any(|part| import.starts_with(part));
        let known =
            ["porthole:tool/", "wasi:cli/", "wasi:io/", "wasi:filesystem/", "wasi:clocks/", "wasi:random/"];
        assert!(is_refused || (!network && known.iter().any(|part| import.starts_with(part))), "{import:?}");
    }
    let names = list_names(&refused);
    assert!(!names.chars().any(porthole_contract::controls_display) && names.len() < 10_000, "{names:?}");
}
