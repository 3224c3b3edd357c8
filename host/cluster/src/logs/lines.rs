//! Log-line filter: grep with context, folding of repeats, truncation.
//!
//! By hand, because grep-searcher pulls from a blocking reader, and folds nothing.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use porthole_contract::LogQuery;
use regex::bytes::Regex;

use super::filter::{FeedStatus, Sink};
use crate::{
    mask::{LOOKAHEAD, Masker, Masking},
    work::TimeSlice,
};

/// Max bytes of a line to search. A pattern over lines of 250 kB once took a core for 68 s.
pub(super) const MAX_SEARCHED: usize = 16 << 10;
/// Max context lines: those before a match are held in memory.
pub(super) const MAX_CONTEXT: u32 = 100;

/// Filters a log chunk by chunk into at most `limit` bytes of text.
pub(super) struct Lines {
    /// Masks each line before it is searched, folded or kept; `None` if masking is off.
    masker: Option<Masker>,
    pattern: Option<Arc<Regex>>,
    invert: bool,
    context: usize,
    fold: bool,
    timestamps: bool,
    limit: usize,
    kept: Vec<u8>,
    /// The current incomplete line, at most `max_line` bytes of it, even if the line is endless.
    line: Vec<u8>,
    max_line: usize,
    /// True if the current line is longer than `max_line`.
    line_is_cut: bool,
    /// True if the text is incomplete: a line exceeded `limit`, or was searched in part.
    overflowed: bool,
    before: VecDeque<Vec<u8>>,
    after: usize,
    /// True if lines were skipped since the last kept one.
    gap: bool,
    previous: Option<Vec<u8>>,
    repeats: u64,
    read: u64,
}

impl Lines {
    pub(super) fn new(query: &LogQuery, pattern: Option<Arc<Regex>>, masking: Masking, limit: usize) -> Self {
        let max_line = if pattern.is_some() { limit.max(MAX_SEARCHED) } else { limit };
        let masker = (masking == Masking::Mask).then(Masker::default);
        Self {
            invert: query.invert,
            context: query.context_lines.min(MAX_CONTEXT) as usize,
            fold: query.fold,
            timestamps: query.timestamps,
            limit,
            kept: Vec::new(),
            line: Vec::new(),
            // A token that the limit cuts must be seen to its end, or half of it would be shown.
            max_line: max_line.saturating_add(masker.as_ref().map_or(0, |_| LOOKAHEAD)),
            masker,
            line_is_cut: false,
            overflowed: false,
            before: VecDeque::new(),
            after: 0,
            gap: false,
            previous: None,
            repeats: 0,
            read: 0,
            pattern,
        }
    }

    /// Returns the text, the number of lines read, and true if something did not fit.
    pub(super) fn finish(&mut self) -> (String, u64, bool) {
        // With a pattern or a masker the rest is left out: both need a worker, and a log that was cut off ends in an
        // incomplete line, perhaps in half a secret that no rule knows.
        if self.within_line() && self.pattern.is_none() && self.masker.is_none() {
            self.end_line();
        }
        self.unfold();
        let mut overflowed = self.overflowed || self.kept.len() > self.limit;
        self.kept.truncate(self.limit);
        let mut text = String::from_utf8(std::mem::take(&mut self.kept))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // A byte that is no UTF-8 was replaced by three.
        overflowed |= text.len() > self.limit;
        text.truncate(text.floor_char_boundary(self.limit));
        if overflowed && text.ends_with('\u{fffd}') {
            // The limit cut a character in two.
            text.pop();
        }
        (text, self.read, overflowed)
    }

    fn line(&mut self, mut line: Vec<u8>) {
        self.read = self.read.saturating_add(1);
        if let Some(masker) = &mut self.masker
            && let Cow::Owned(masked) = masker.line(&line)
        {
            line = masked;
        }
        if std::mem::take(&mut self.line_is_cut)
            && let Some(masker) = &mut self.masker
        {
            masker.cut();
            // The end may be half a token, which no rule knows; masks before it may have moved it up.
            line.truncate(line.len().saturating_sub(LOOKAHEAD));
        }
        let matches = self.pattern.as_ref().is_none_or(|pattern| {
            let searched = line.get(..MAX_SEARCHED).unwrap_or(&line);
            let whole = searched.len() == line.len();
            // The unsearched rest might match, so the answer is marked as incomplete.
            self.overflowed |= !whole;
            // `$` matches at the end of the searched part, which is not the end of the line: such a match does not
            // count.
            let found = pattern.shortest_match(searched).is_some_and(|end| whole || end < searched.len());
            found != self.invert
        });
        self.overflowed |= matches && line.len() > self.limit;
        line.truncate(self.limit);
        if matches {
            // As in grep: a separator between groups that are not adjacent.
            if self.gap && self.context > 0 && !self.kept.is_empty() {
                self.unfold();
                self.kept.extend_from_slice(b"--\n");
                // Lines on both sides of the separator are not consecutive, so they do not fold.
                self.previous = None;
            }
            self.gap = false;
            for earlier in std::mem::take(&mut self.before) {
                self.keep(earlier);
            }
            self.keep(line);
            self.after = self.context;
        } else if self.after > 0 {
            self.after = self.after.saturating_sub(1);
            self.keep(line);
        } else {
            // With `context` 0 every unmatched line is a gap at once.
            if self.before.len() == self.context {
                self.gap = true;
                self.before.pop_front();
            }
            if self.context > 0 {
                self.before.push_back(line);
            }
        }
    }

    fn keep(&mut self, line: Vec<u8>) {
        if self.fold {
            if self.previous.as_deref().is_some_and(|previous| self.message(previous) == self.message(&line))
            {
                self.repeats = self.repeats.saturating_add(1);
                return;
            }
            self.unfold();
        }
        self.kept.extend_from_slice(&line);
        self.kept.push(b'\n');
        if self.fold {
            self.previous = Some(line);
        }
    }

    /// The line without the timestamp added by the kubelet, so that equal messages at different times fold.
    fn message<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        if !self.timestamps {
            return line;
        }
        line.iter().position(|byte| *byte == b' ').and_then(|space| line.get(space..)).unwrap_or(line)
    }

    fn unfold(&mut self) {
        if self.repeats > 0 {
            let total = self.repeats.saturating_add(1);
            self.kept.extend_from_slice(format!("… {total} times\n").as_bytes());
            self.repeats = 0;
        }
    }
}

impl Sink for Lines {
    fn feed(&mut self, log: &[u8], at: &mut usize, slice: TimeSlice) -> FeedStatus {
        for piece in log.get(*at..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            *at = at.saturating_add(piece.len());
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // Bytes beyond the max are dropped at once, so that an endless line cannot grow the buffer.
            let room = self.max_line.saturating_sub(self.line.len());
            self.line_is_cut |= text.len() > room;
            self.overflowed |= self.line_is_cut;
            self.line.extend_from_slice(text.get(..room).unwrap_or(text));
            if ended {
                self.end_line();
            }
            // Without a pattern every line is kept, so a line over the limit fills the answer. With one, the line may
            // still not match.
            let endless = self.overflowed && self.pattern.is_none();
            if endless && !ended && self.masker.is_some() {
                // Here and not in `finish`, which is no place for work.
                self.end_line();
            }
            if self.kept.len() >= self.limit || endless {
                return FeedStatus::Full;
            }
            // A single line is bounded, a batch of them is not.
            if (self.pattern.is_some() || self.masker.is_some()) && slice.is_over() {
                return FeedStatus::SliceOver;
            }
        }
        FeedStatus::NeedsMore
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.line(line);
    }

    fn within_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// Includes the copy that keeping the current line would make.
    fn bytes(&self) -> usize {
        let line = self.line.capacity().saturating_mul(2);
        let kept = self.kept.capacity().saturating_add(line);
        let others = self.before.iter().chain(&self.previous).map(Vec::capacity);
        others.fold(kept, usize::saturating_add)
    }
}
