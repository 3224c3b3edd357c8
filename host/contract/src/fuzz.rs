//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use crate::{
    Echo, MAX_ECHO, Printable, Token, ToolName, Version, controls_display, is_kind, is_label, is_subdomain,
    similarity, truncate,
};

/// Foreign text steers nothing once it is printed, and is short once it is echoed.
pub fn foreign_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let printed = Printable(&text).to_string();
    assert!(!printed.chars().any(controls_display), "{printed:?}");
    assert!(text.chars().any(controls_display) || printed == text);
    let echo = Echo(&text).to_string();
    // Debug escapes every one of these characters, the longest as `\u{10ffff}`.
    assert!(!echo.chars().any(controls_display), "{echo:?}");
    assert!(echo.len() <= MAX_ECHO * 8 + 40, "{} bytes", echo.len());
    for max in [0, 1, 7, MAX_ECHO] {
        let kept = truncate(&text, max);
        assert!(text.starts_with(kept) && kept.len() <= max);
        assert!(kept.len() == text.len() || kept.len() + 4 > max, "more would fit");
    }
}

/// Names hold what names may, and say what they were parsed from. Lines are compared with each other.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let only = |text: &str, others: &str| {
        text.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
    };
    if is_label(&text) {
        assert!(only(&text, "-") && is_subdomain(&text) && text.len() <= 63);
    }
    if is_subdomain(&text) {
        assert!(only(&text, "-.") && !text.contains("..") && text.len() <= 253 && !text.is_empty());
    }
    assert!(!is_kind(&text) || only(&text, ""));
    if let Some(name) = ToolName::parse(&text) {
        assert!(&*name == text.as_ref() && only(&name, "_") && name.len() <= 64);
    }
    if let Some(version) = Version::parse(&text) {
        assert!(&*version == text.as_ref() && only(&version, ".+-") && version.len() <= 64);
    }
    if let Ok(token) = Token::parse(&text) {
        assert_eq!(token.expose(), text);
        assert!(text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
    if let Some((one, other)) = text.split_once('\n') {
        assert!((0.0..=1.0).contains(&similarity(one, other)));
    }
}
