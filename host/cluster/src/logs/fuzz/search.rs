//! Oracle of searches: the counts of a plain search, within the bounds, and nothing of a secret.

use std::sync::Arc;

use porthole_contract::{LogEnd, LogMatches, LogSearch};
use regex::bytes::Regex;

use super::super::{
    filter::{FeedStatus, Sink},
    lines::MAX_SEARCHED,
    matches::{Matches, SearchPatterns},
    patterns::{Case, compile},
    stamp,
};
use crate::{mask::Masking, work::TimeSlice};

fn run(
    query: &LogSearch,
    patterns: &SearchPatterns,
    masking: Masking,
    limit: usize,
    log: &[u8],
    size: usize,
) -> LogMatches {
    let mut matches = Matches::new(query, patterns.clone(), None, masking, limit);
    for piece in log.chunks(size.max(1)) {
        assert_eq!(matches.feed(piece, &mut 0, TimeSlice::unlimited()), FeedStatus::NeedsMore);
    }
    matches.end_line();
    matches.finish(LogEnd::Whole)
}

fn pattern(text: &str) -> Option<Option<Arc<Regex>>> {
    if text.is_empty() {
        return Some(None);
    }
    compile(text, Case::Ignored).ok().filter(|_| text.len() <= 1 << 10).map(|regex| Some(Arc::new(regex)))
}

/// Counts are those of a plain search, however the bytes arrive; no more is shown than was asked for, and all of it if it
/// fits. Four bytes are flags, the first and last matches, and a 16th of the limit; then a line each for the patterns.
pub fn log_search(data: &[u8]) {
    let [flags, first, last, limit, rest @ ..] = data else { return };
    let (include, rest) = crate::fuzz::line(rest);
    let (exclude, log) = crate::fuzz::line(rest);
    let (Some(include), Some(exclude)) = (pattern(&include), pattern(&exclude)) else { return };
    let patterns = SearchPatterns { include, exclude };
    let query = LogSearch {
        fold: flags & 1 != 0,
        timestamps: flags & 2 != 0,
        context_lines: u32::from(flags >> 2 & 3),
        first: u32::from(*first),
        last: u32::from(*last),
        ..LogSearch::default()
    };
    let limit = usize::from(*limit).saturating_mul(16);
    let found = run(&query, &patterns, Masking::Off, limit, log, log.len());
    for size in [1, 7] {
        let pieces = run(&query, &patterns, Masking::Off, limit, log, size);
        assert_eq!(format!("{pieces:?}"), format!("{found:?}"), "in pieces of {size}");
    }
    assert!(found.first.len() + found.last.len() <= limit, "over {limit}: {found:?}");
    assert!(found.shown <= found.matched && found.matched <= found.lines_read, "{found:?}");
    let mut lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|last| last.is_empty());
    if lines.iter().all(|line| line.len() < MAX_SEARCHED) {
        let is = |regex: &Option<Arc<Regex>>, line: &[u8]| regex.as_ref().map(|regex| regex.is_match(line));
        let matches = |line: &&&[u8]| {
            let (_, text) = stamp::split(line);
            is(&patterns.include, text) != Some(false) && is(&patterns.exclude, text) != Some(true)
        };
        let expected = lines.iter().filter(matches).count() as u64;
        assert_eq!((found.matched, found.lines_read, found.long_lines), (expected, lines.len() as u64, 0));
        // Room for every line, its cut and its separators.
        let all = LogSearch { first: u32::MAX, last: u32::MAX, ..query.clone() };
        let all = run(&all, &patterns, Masking::Off, log.len() * 16 + 4096, log, log.len());
        assert_eq!(all.shown, expected, "{all:?}");
    }
    secrets(&query, &patterns, limit, log);
}

/// No part of a secret in the middle of the log is shown, nor does a search find it.
fn secrets(query: &LogSearch, patterns: &SearchPatterns, limit: usize, log: &[u8]) {
    const BODY: &str = "Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8Zq9";
    if log.windows(4).any(|window| window == b"Zq7Z") {
        return;
    }
    let (before, after) = log.split_at(log.len() / 2);
    let planted = [before, super::gap(before), format!(" ghp_{BODY} ").as_bytes(), after].concat();
    let found = run(query, patterns, Masking::Mask, limit, &planted, planted.len());
    assert!(!found.first.contains("Zq7Z") && !found.last.contains("Zq7Z"), "{found:?}");
    let probe = SearchPatterns { include: pattern(BODY).flatten(), exclude: None };
    assert_eq!(
        run(query, &probe, Masking::Mask, limit, &planted, 5).matched,
        0,
        "a search finds what is masked"
    );
}
