//! Log-line filter: grep with context, folding of repeats, truncation.
//!
//! By hand, because grep-searcher pulls from a blocking reader, and folds nothing.

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
        if std::mem::take(&mut self.line_is_cut) && self.masker.is_some() {
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

#[cfg(test)]
mod tests {
    use super::{
        super::patterns::{Case, compile},
        *,
    };

    fn run(query: &LogQuery, limit: usize, log: &[u8], piece: usize) -> (String, u64, bool, bool) {
        let pattern =
            query.pattern.as_deref().map(|pattern| Arc::new(compile(pattern, Case::Minded).unwrap()));
        let mut lines = Lines::new(query, pattern, Masking::Off, limit);
        let full = log
            .chunks(piece)
            .any(|chunk| lines.feed(chunk, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
        if lines.within_line() {
            lines.end_line();
        }
        let (text, read, overflowed) = lines.finish();
        (text, read, overflowed, full)
    }

    fn grep(pattern: &str) -> LogQuery {
        LogQuery { pattern: Some(pattern.into()), ..LogQuery::default() }
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let log = "one\ntwo\n\nthree".as_bytes();
        for piece in [1, 2, 5, 100] {
            assert_eq!(
                run(&LogQuery::default(), 100, log, piece),
                ("one\ntwo\n\nthree\n".into(), 4, false, false)
            );
        }
    }

    #[test]
    fn grep_keeps_matches_with_their_context() {
        let log: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let query = LogQuery { context_lines: 1, ..grep("line (5|6|15)$") };
        let (text, read, ..) = run(&query, 1000, log.as_bytes(), 7);
        assert_eq!(text, "line 4\nline 5\nline 6\nline 7\n--\nline 14\nline 15\nline 16\n");
        assert_eq!(read, 20);
        let query = LogQuery { invert: true, ..grep("[02468]$") };
        assert!(run(&query, 1000, log.as_bytes(), 64).0.starts_with("line 1\nline 3\n"));
    }

    #[test]
    fn equal_lines_fold_also_where_their_times_differ() {
        let log = b"t1 a\nt2 a\nt3 a\nt4 b\n";
        let query = LogQuery { fold: true, timestamps: true, ..LogQuery::default() };
        assert_eq!(run(&query, 1000, log, 3).0, "t1 a\n… 3 times\nt4 b\n");
        let query = LogQuery { fold: true, ..LogQuery::default() };
        assert_eq!(run(&query, 1000, log, 3).0, "t1 a\nt2 a\nt3 a\nt4 b\n");
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let (text, _, overflowed, full) =
            run(&LogQuery::default(), 10, "abcdefg\nhijklmn\nmore\n".as_bytes(), 4);
        assert_eq!((text.as_str(), overflowed, full), ("abcdefg\nhi", true, true));
    }

    #[test]
    fn an_endless_line_is_neither_kept_nor_waited_for() {
        let log = vec![b'x'; 1_000_000];
        let (text, _, overflowed, full) = run(&LogQuery::default(), 50, &log, 1000);
        assert_eq!((text.len(), overflowed, full), (50, true, true));
        let mut lines = Lines::new(
            &grep("nothing"),
            Some(Arc::new(compile("nothing", Case::Minded).unwrap())),
            Masking::Off,
            50,
        );
        for chunk in log.chunks(1000) {
            assert_eq!(lines.feed(chunk, &mut 0, TimeSlice::unlimited()), FeedStatus::NeedsMore);
            assert!(lines.line.len() <= MAX_SEARCHED);
        }
    }

    #[test]
    fn a_line_is_searched_in_its_beginning_and_the_answer_says_so() {
        let log = [vec![b'x'; MAX_SEARCHED], b"needle\n".to_vec()].concat();
        let (text, _, overflowed, _) = run(&grep("needle"), 1 << 20, &log, 5000);
        assert_eq!((text.as_str(), overflowed), ("", true));
        let (text, ..) = run(&grep("(x+)+$"), 1 << 20, &log, 5000);
        assert_eq!(text, "", "the end of the search is not the end of the line");
        assert_eq!(run(&grep("x.*"), 1 << 20, &log, 5000).0.len(), log.len());
        // Pattern and lines of an attack that took 68 s for one log.
        let line: Vec<u8> =
            (0..250_000).map(|n| if n * 7 % 5 < 3 { b'a' } else { b'b' }).chain([b'\n']).collect();
        let began = std::time::Instant::now();
        run(&grep("a[ab]{850}$|zz"), 1 << 20, &line.repeat(4), 1 << 16);
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }

    fn masked(query: &LogQuery, limit: usize, log: &[u8], piece: usize) -> (String, bool) {
        let pattern =
            query.pattern.as_deref().map(|pattern| Arc::new(compile(pattern, Case::Minded).unwrap()));
        let mut lines = Lines::new(query, pattern, Masking::Mask, limit);
        let full = log
            .chunks(piece)
            .any(|chunk| lines.feed(chunk, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
        if !full && lines.within_line() {
            lines.end_line();
        }
        let (text, _, overflowed) = lines.finish();
        (text, overflowed || full)
    }

    #[test]
    fn a_search_and_folding_see_the_masked_line_however_the_bytes_arrive() {
        let log = b"a password=hunter2 b\na password=hunter3 b\nready\n";
        let line = "a password=<masked: password> b\n";
        for piece in [1, 7, 100] {
            assert_eq!(masked(&grep("hunter2"), 1 << 10, log, piece).0, "");
            assert_eq!(masked(&grep("masked: pass"), 1 << 10, log, piece).0, line.repeat(2));
            let query = LogQuery { fold: true, ..LogQuery::default() };
            assert_eq!(masked(&query, 1 << 10, log, piece).0, format!("{line}… 2 times\nready\n"));
            let inverted = LogQuery { invert: true, ..grep("hunter2") };
            assert_eq!(masked(&inverted, 1 << 10, log, piece).0, format!("{}ready\n", line.repeat(2)));
        }
    }

    #[test]
    fn no_limit_cuts_a_secret_into_one_that_no_rule_knows() {
        let secret = format!("ghp_{}", "Zq7Z".repeat(10));
        for pattern in [None, Some("here".to_owned())] {
            let query = LogQuery { pattern, ..LogQuery::default() };
            for log in [format!("here {secret} and {}\n", "x".repeat(9000)), format!("here {secret}")] {
                for limit in 0..60 {
                    let (text, cut) = masked(&query, limit, log.as_bytes(), 13);
                    assert!(!text.contains("Zq7") && text.len() <= limit, "{limit}: {text}");
                    assert!(cut || limit > 27, "{limit}: {text}");
                }
            }
        }
        // Behind what is searched of a line it is masked as well.
        let log = format!("here {} {secret}\n", "x".repeat(2 * MAX_SEARCHED));
        let (text, _) = masked(&grep("here"), 1 << 20, log.as_bytes(), 5000);
        assert!(text.ends_with("x <masked: github token>\n"), "{}", text.len());
    }

    #[test]
    fn masks_before_a_cut_move_no_half_of_a_secret_up() {
        let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJ{0}.{0}", "Zq8Z".repeat(400));
        for length in 0..200 {
            let log = format!("{jwt} {} ghp_{}\n", "x".repeat(length), "Zq7Z".repeat(100));
            let (text, cut) = masked(&LogQuery::default(), 2300, log.as_bytes(), 100);
            assert!(!text.contains("Zq7") && (cut || log.len() < 3324), "{length}: {text}");
        }
    }

    #[test]
    fn half_a_line_of_a_log_that_broke_off_is_left_out() {
        let mut lines = Lines::new(&LogQuery::default(), None, Masking::Mask, 100);
        lines.feed(b"one\nghp_Zq7", &mut 0, TimeSlice::unlimited());
        assert_eq!(lines.finish().0, "one\n");
    }

    #[test]
    fn a_search_gives_way_between_lines() {
        let mut lines = Lines::new(
            &grep("x"),
            Some(Arc::new(compile("x", Case::Minded).unwrap())),
            Masking::Off,
            1 << 20,
        );
        let (log, mut at) = (b"x\nx\nx\n", 0);
        assert_eq!(lines.feed(log, &mut at, TimeSlice::over()), FeedStatus::SliceOver);
        assert_eq!(at, 2);
        assert_eq!(lines.feed(log, &mut at, TimeSlice::unlimited()), FeedStatus::NeedsMore);
        assert_eq!(lines.finish().0, "x\nx\nx\n");
    }

    #[test]
    fn a_cut_character_is_left_out() {
        assert_eq!(run(&LogQuery::default(), 4, "aéééé".as_bytes(), 100).0, "aé");
    }
}
