//! Oracle of continue tokens.

#![allow(clippy::panic, reason = "an oracle speaks by a panic")]

use crate::cursor::{Cursor, Phase, Position};

/// A token that parses is written as one that parses to the same, and is one word that no sentence ends. So is that of any
/// version and token of an API server, which are the first line and the rest.
pub fn cursor(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Cursor>() {
        Ok(cursor) => written(&cursor),
        Err(error) => assert!(error.len() < 200, "an error of {} bytes", error.len()),
    }
    let (version, token) = text.split_once('\n').unwrap_or((&text, ""));
    written(&Cursor {
        phase: Phase::Rest,
        shown: 1,
        total: u64::MAX,
        bound: 0,
        rows_until: u64::MAX,
        position: Position { token: token.to_owned(), base: 500, skip: 7 },
        resource_version: version.to_owned(),
        chosen_at: Some(7),
    });
}

fn written(cursor: &Cursor) {
    let text = cursor.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'), "{text:?}");
    assert!(!text.ends_with('.'), "{text:?}");
    assert_eq!(text.parse().as_ref(), Ok(cursor), "{text:?}");
}
