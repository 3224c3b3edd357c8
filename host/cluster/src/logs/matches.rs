//! Search of a log's lines: counts all matches, and keeps the first and the last of them.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use porthole_contract::{LogEnd, LogMatches, LogSearch};
use regex::bytes::Regex;

use super::{
    filter::{FeedStatus, Sink},
    held_line::{HeldLine, MAX_HELD},
    lines::{MAX_CONTEXT, MAX_SEARCHED},
    shown::{Bounds, Shown, Text},
    stamp::{self, Moment},
};
use crate::{
    mask::{LOOKAHEAD, Masker, Masking},
    work::TimeSlice,
};

/// Default and min bytes of a line to show; at most what is searched of it is.
const LINE_BYTES: usize = 4 << 10;
const MIN_LINE_BYTES: usize = 64;

/// Compiled patterns of a search.
#[derive(Debug, Clone, Default)]
pub struct SearchPatterns {
    /// Lines that match; None: all lines.
    pub include: Option<Arc<Regex>>,
    /// Lines that do not match, even if `include` matches.
    pub exclude: Option<Arc<Regex>>,
}

/// Counts and timestamps of lines.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Tally {
    fn count(&mut self, stamp: Option<&str>) {
        self.lines = self.lines.saturating_add(1);
        let Some(stamp) = stamp else { return };
        if self.first.is_empty() {
            self.first.extend_from_slice(stamp.as_bytes());
        }
        self.last.clear();
        self.last.extend_from_slice(stamp.as_bytes());
    }

    fn times(&self) -> [Option<String>; 2] {
        [&self.first, &self.last]
            .map(|stamp| (!stamp.is_empty()).then(|| String::from_utf8_lossy(stamp).into_owned()))
    }
}

/// Searches a log chunk by chunk.
pub(super) struct Matches {
    /// Masks each line before it is searched; `None` if masking is off.
    masker: Option<Masker>,
    patterns: SearchPatterns,
    until: Option<Moment>,
    timestamps: bool,
    context: usize,
    /// Max bytes of a line to show.
    line_bytes: usize,
    line: HeldLine,
    shown: Shown,
    before: VecDeque<Text>,
    before_bytes: usize,
    /// Lines after the last match that are still to be shown.
    after: usize,
    /// True if lines were skipped since the last one shown.
    gap: bool,
    read: Tally,
    matched: Tally,
    bytes_read: u64,
    long_lines: u64,
    /// True once a line was later than `until`.
    is_past_end: bool,
}

impl Matches {
    pub(super) fn new(
        query: &LogSearch,
        patterns: SearchPatterns,
        until: Option<Moment>,
        masking: Masking,
        limit: usize,
    ) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let bounds =
            Bounds { first: count(query.first), last: count(query.last), bytes: limit, fold: query.fold };
        // A quarter, so that there is always room for a line of both parts.
        let most = MAX_SEARCHED.min(limit / 4).max(MIN_LINE_BYTES);
        Self {
            masker: (masking == Masking::Mask).then(Masker::default),
            patterns,
            until,
            timestamps: query.timestamps,
            context: count(query.context_lines.min(MAX_CONTEXT)),
            line_bytes: query.line_bytes.map_or(LINE_BYTES, count).clamp(MIN_LINE_BYTES, most),
            line: HeldLine::default(),
            shown: Shown::new(bounds),
            before: VecDeque::new(),
            before_bytes: 0,
            after: 0,
            gap: false,
            read: Tally::default(),
            matched: Tally::default(),
            bytes_read: 0,
            long_lines: 0,
            is_past_end: false,
        }
    }

    /// Returns what was found.
    pub(super) fn finish(&self, end: LogEnd) -> LogMatches {
        let (first, last, shown) = self.shown.render();
        let [first_match, last_match] = self.matched.times();
        let [first_line, last_line] = self.read.times();
        LogMatches {
            first,
            last,
            matched: self.matched.lines,
            shown,
            first_match,
            last_match,
            lines_read: self.read.lines,
            bytes_read: self.bytes_read,
            first_line,
            last_line,
            long_lines: self.long_lines,
            end,
        }
    }

    /// Processes the held line; `is_cut` if it goes on behind what is held.
    fn process(&mut self, is_cut: bool) {
        let line = self.line.take();
        let (stamp, text) = stamp::split(&line);
        let time = stamp.filter(|_| self.until.is_some()).and_then(Moment::parse);
        if let (Some(time), Some(until)) = (time, self.until)
            && time > until
        {
            self.is_past_end = true;
            return;
        }
        self.read.count(stamp);
        self.bytes_read = self.bytes_read.saturating_add(text.len() as u64);
        let mut masked = match &mut self.masker {
            Some(masker) => {
                let masked = masker.line(text);
                if is_cut {
                    masker.cut();
                }
                masked
            }
            None => Cow::Borrowed(text),
        };
        if is_cut {
            // The end may be half a token, which no rule knows.
            let whole = masked.len().saturating_sub(LOOKAHEAD);
            masked = match masked {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(..whole).unwrap_or(text)),
                Cow::Owned(mut text) => {
                    text.truncate(whole);
                    Cow::Owned(text)
                }
            };
        }
        self.judge(stamp, &masked, is_cut);
        self.line.give_back(line);
    }

    /// Searches a masked line, and keeps it if it is to be shown.
    fn judge(&mut self, stamp: Option<&str>, text: &[u8], is_cut: bool) {
        let searched = text.get(..MAX_SEARCHED).unwrap_or(text);
        let whole = !is_cut && searched.len() == text.len();
        self.long_lines = self.long_lines.saturating_add(u64::from(!whole));
        // `$` matches at the end of the searched part, which is not the end of the line: such a match does not count.
        let find =
            |regex: &Regex| regex.shortest_match(searched).filter(|end| whole || *end < searched.len());
        let found = match &self.patterns.include {
            None => Some(0),
            Some(include) => find(include),
        };
        let found =
            found.filter(|_| self.patterns.exclude.as_ref().is_none_or(|regex| find(regex).is_none()));
        let Some(end) = found else {
            if self.after > 0 {
                self.after = self.after.saturating_sub(1);
                let text = self.text(stamp, searched, whole, 0);
                self.shown.context(text);
            } else {
                self.hold_before(stamp, searched, whole);
            }
            return;
        };
        self.matched.count(stamp);
        let text = self.text(stamp, searched, whole, end);
        let separated = std::mem::take(&mut self.gap) && self.context > 0 && self.matched.lines > 1;
        self.before_bytes = 0;
        self.shown.matched(self.before.drain(..), text, separated);
        self.after = self.context;
    }

    /// Holds a line that may come before a match.
    fn hold_before(&mut self, stamp: Option<&str>, searched: &[u8], whole: bool) {
        // With `context` 0 every unmatched line is a gap at once.
        if self.before.len() >= self.context {
            self.gap = true;
            if let Some(oldest) = self.before.pop_front() {
                self.before_bytes = self.before_bytes.saturating_sub(oldest.text.len());
            }
        }
        if self.context > 0 {
            let text = self.text(stamp, searched, whole, 0);
            self.before_bytes = self.before_bytes.saturating_add(text.text.len());
            self.before.push_back(text);
        }
    }

    /// The line as it is shown; a long one around the end of its match.
    fn text(&self, stamp: Option<&str>, line: &[u8], whole: bool, end: usize) -> Text {
        let mut text = String::new();
        if let Some(stamp) = stamp.filter(|_| self.timestamps) {
            text.push_str(stamp);
            text.push(' ');
        }
        let message = text.len();
        shorten(line, whole, end, self.line_bytes, &mut text);
        // Replaced bytes took three times the room, and only what is kept is counted.
        text.shrink_to_fit();
        Text { text, message }
    }
}

/// Appends a line, cut to `max` bytes around `end` and marked, if it is longer or not `whole`.
fn shorten(line: &[u8], whole: bool, end: usize, max: usize, out: &mut String) {
    let part = |from: usize, to: usize| {
        let bytes = line.get(from..to.min(line.len())).unwrap_or_default();
        // Halves of characters at its ends.
        let text = String::from_utf8_lossy(bytes);
        within(text.trim_matches('\u{fffd}'), bytes.len())
    };
    let begin = out.len();
    if line.len() <= max && whole {
        out.push_str(&within(&String::from_utf8_lossy(line), max));
        return;
    }
    let quarter = max / 4;
    if end > max {
        out.push_str(&part(0, quarter));
        out.push('…');
        out.push_str(&part(end.saturating_sub(quarter.saturating_mul(2)), end.saturating_add(quarter)));
    } else {
        out.push_str(&part(0, max));
    }
    out.truncate(out.floor_char_boundary(begin.saturating_add(max)));
    let over = if whole { "" } else { "over " };
    out.push_str(&format!("… [cut: a line of {over}{} bytes]", line.len()));
}

/// A text with replacements for bytes that are no UTF-8, of three bytes each; where it has more than `max`, and would be cut
/// at its end, of one.
fn within(text: &str, max: usize) -> String {
    if text.len() <= max { text.to_owned() } else { text.replace('\u{fffd}', "?") }
}

impl Sink for Matches {
    fn feed(&mut self, log: &[u8], at: &mut usize, slice: TimeSlice) -> FeedStatus {
        while let Some(rest) = log.get(*at..).filter(|rest| !rest.is_empty()) {
            let taken = self.line.take_from(rest);
            *at = at.saturating_add(taken.consumed);
            self.bytes_read = self.bytes_read.saturating_add(taken.dropped as u64);
            if let Some(is_cut) = taken.complete {
                self.process(is_cut);
            }
            if self.is_past_end {
                return FeedStatus::Full;
            }
            self.bytes_read = self.bytes_read.saturating_add(u64::from(taken.has_ended));
            // A single line is bounded, a batch of them is not.
            if slice.is_over() {
                return FeedStatus::SliceOver;
            }
        }
        FeedStatus::NeedsMore
    }

    fn end_line(&mut self) {
        if self.within_line() {
            self.process(false);
        }
    }

    fn within_line(&self) -> bool {
        self.line.is_open()
    }

    fn bytes(&self) -> usize {
        let held = self.line.capacity().saturating_add(self.before_bytes).saturating_add(self.shown.bytes());
        // The masked copy of a line, and what is shown of it.
        held.saturating_add(MAX_HELD.saturating_mul(2))
    }
}
