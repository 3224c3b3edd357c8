//! Oracle of log lines: a filter hands out lines of the log, within its limit, and those that a plain search finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

mod search;

pub use search::log_search;

use super::{
    Arc, LogQuery, Masking, Regex,
    filter::{FeedStatus, Sink},
    lines::Lines,
    patterns::{Case, compile},
};
use crate::work::TimeSlice;

fn run(
    query: &LogQuery,
    pattern: Option<&Arc<Regex>>,
    masking: Masking,
    limit: usize,
    log: &[u8],
    size: usize,
) -> (String, bool) {
    let mut lines = Lines::new(query, pattern.cloned(), masking, limit);
    let full =
        log.chunks(size).any(|piece| lines.feed(piece, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
    if !full && lines.within_line() {
        lines.end_line();
    }
    let (text, _, overflowed) = lines.finish();
    (text, overflowed || full)
}

/// Separation of a secret from a log before it: a control sequence without an end takes what follows in its line, also the
/// first byte of a secret.
fn gap(before: &[u8]) -> &'static [u8] {
    if before.iter().any(|byte| matches!(byte, 0x1b | 0x9b)) { b"\n" } else { b"" }
}

/// No part of a secret in the middle of the log is handed out, nor does a search find it, however the bytes arrive and
/// wherever the limit cuts.
fn masked_lines(query: &LogQuery, pattern: Option<&Arc<Regex>>, limit: usize, log: &[u8], size: usize) {
    const BODY: &str = "Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8Zq9";
    let (before, after) = log.split_at(log.len() / 2);
    let gap = gap(before);
    for (secret, shown) in [
        (format!(" ghp_{BODY} "), "Zq7Z"),
        (format!(" eyJhbGciOiJSUzI1NiJ9.eyJ{BODY}.{BODY} "), "Zq7Z"),
        (format!("\n-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"), "Zq7Z"),
    ] {
        if log.windows(shown.len()).any(|window| window == shown.as_bytes()) {
            return;
        }
        let planted = [before, gap, secret.as_bytes(), after].concat();
        let (text, _) = run(query, pattern, Masking::Mask, limit, &planted, planted.len());
        assert!(!text.contains(shown), "{text:?}");
        for size in [1, size] {
            assert_eq!(
                run(query, pattern, Masking::Mask, limit, &planted, size).0,
                text,
                "in pieces of {size}"
            );
        }
        let probe = Some(Arc::new(compile(BODY, Case::Minded).expect("a pattern")));
        let query = LogQuery { invert: false, ..query.clone() };
        let (text, _) = run(&query, probe.as_ref(), Masking::Mask, limit, &planted, planted.len());
        assert_eq!(text, "", "a search finds what is masked");
    }
}

/// The lines kept are lines of the log, in at most as many bytes as were asked for, and the same however the bytes arrive.
/// Three bytes are flags, a quarter of the limit, and the size of the pieces; the rest of the line is the pattern.
pub fn log_lines(data: &[u8]) {
    let [flags, limit, size, rest @ ..] = data else { return };
    let (pattern, log) = crate::fuzz::line(rest);
    let pattern = if pattern.is_empty() {
        None
    } else {
        let Some(pattern) = Some(pattern).filter(|pattern| pattern.len() <= 1 << 10) else { return };
        let Ok(pattern) = compile(&pattern, Case::Minded) else { return };
        Some(Arc::new(pattern))
    };
    let query = LogQuery {
        invert: flags & 1 != 0,
        fold: flags & 2 != 0,
        timestamps: flags & 4 != 0,
        context_lines: u32::from(flags >> 3 & 3),
        ..LogQuery::default()
    };
    let limit = usize::from(*limit).saturating_mul(4);
    let (text, cut) = run(&query, pattern.as_ref(), Masking::Off, limit, log, log.len().max(1));
    for size in [1, usize::from(*size).saturating_add(1)] {
        assert_eq!(
            run(&query, pattern.as_ref(), Masking::Off, limit, log, size).0,
            text,
            "in pieces of {size}"
        );
    }
    masked_lines(&query, pattern.as_ref(), limit, log, usize::from(*size).saturating_add(1));
    assert!(text.len() <= limit, "{} bytes where {limit} were asked for", text.len());
    let mut theirs: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    theirs.pop_if(|last| last.is_empty());
    let lossy = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    let lossy_lines: Vec<String> = theirs.iter().map(|line| lossy(line)).collect();
    for line in text.lines() {
        // The limit may cut the separator in two.
        let ours = line == "--" || (cut && line == "-") || (query.fold && line.starts_with('…'));
        let begun = line.trim_end_matches('\u{fffd}');
        let known = |theirs: &String| theirs == line || (cut && theirs.starts_with(begun));
        // A carriage return before the line break belongs to the line; `lines` takes it off.
        let returned = |theirs: &String| theirs.strip_suffix('\r') == Some(line);
        assert!(
            ours || lossy_lines.iter().any(|theirs| known(theirs) || returned(theirs)),
            "{line:?} is not of the log"
        );
    }
    if !cut && !query.fold && (pattern.is_none() || query.context_lines == 0) {
        let found = |line: &&&[u8]| pattern.as_ref().is_none_or(|regex| regex.is_match(line) != query.invert);
        let expected: String = theirs.iter().filter(found).map(|line| lossy(line) + "\n").collect();
        assert_eq!(text, expected);
    }
}
