//! Lines of a search to hand over: those of the first matches, and those of the last.

use std::collections::VecDeque;

/// Max lines of a part, so that the entries of empty lines are bounded too.
const MAX_LINES: usize = 10_000;
/// Bytes of the longest count of a run: `… 18446744073709551615 times`.
const COUNT: usize = 32;
const SEPARATOR: &str = "--\n";

/// A line as it is shown.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    /// Start of the message behind a timestamp.
    pub(super) message: usize,
}

impl Text {
    fn message(&self) -> &str {
        self.text.get(self.message..).unwrap_or(&self.text)
    }
}

/// A line that is kept, with the equal ones that follow it.
#[derive(Debug)]
struct Line {
    text: Text,
    /// The match that it belongs to, with its context.
    group: u64,
    is_match: bool,
    /// Equal lines after it.
    repeats: u64,
    /// A separator comes before it.
    separated: bool,
}

impl Line {
    fn cost(&self) -> usize {
        let separator = if self.separated { SEPARATOR.len() } else { 0 };
        let count = if self.repeats > 0 { COUNT } else { 0 };
        self.text.text.len().saturating_add(1).saturating_add(separator).saturating_add(count)
    }

    fn matches(&self) -> u64 {
        if self.is_match { self.repeats.saturating_add(1) } else { 0 }
    }

    fn render(&self, separated: bool, out: &mut String) {
        if separated {
            out.push_str(SEPARATOR);
        }
        out.push_str(&self.text.text);
        out.push('\n');
        if self.repeats > 0 {
            out.push_str(&format!("… {} times\n", self.repeats.saturating_add(1)));
        }
    }
}

/// Bounds of what is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) bytes: usize,
    pub(super) fold: bool,
}

/// Keeps the first matches until they are enough, and the last of those after them.
#[derive(Debug)]
pub(super) struct Shown {
    bounds: Bounds,
    first: Vec<Line>,
    first_bytes: usize,
    first_matches: usize,
    /// True once a match did not go into `first`.
    first_is_full: bool,
    last: VecDeque<Line>,
    last_bytes: usize,
    last_matches: usize,
    /// True once a line was left out.
    omitted: bool,
    group: u64,
}

impl Shown {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            first: Vec::new(),
            first_bytes: 0,
            first_matches: 0,
            first_is_full: false,
            last: VecDeque::new(),
            last_bytes: 0,
            last_matches: 0,
            omitted: false,
            group: 0,
        }
    }

    /// Adds a match with the lines before it; `separated` if lines were skipped since the last one.
    pub(super) fn matched(&mut self, before: impl Iterator<Item = Text>, text: Text, separated: bool) {
        let mut lines: Vec<Line> = before.map(|text| self.line(text, false)).collect();
        if lines.is_empty() && !separated && self.folds(&text, true) {
            return;
        }
        self.group = self.group.saturating_add(1);
        lines.push(self.line(text, true));
        for line in &mut lines {
            line.group = self.group;
        }
        if let Some(first) = lines.first_mut() {
            first.separated = separated;
        }
        let cost = lines.iter().map(Line::cost).fold(COUNT, usize::saturating_add);
        if !self.first_is_full && self.first_matches < self.bounds.first && self.fits(cost, lines.len()) {
            self.first_matches = self.first_matches.saturating_add(1);
            lines.into_iter().for_each(|line| self.add_first(line));
        } else {
            self.first_is_full = true;
            lines.into_iter().for_each(|line| self.add_last(line));
            self.evict();
        }
    }

    /// Adds a line after a match.
    pub(super) fn context(&mut self, text: Text) {
        if self.folds(&text, false) {
            return;
        }
        let line = self.line(text, false);
        if !self.first_is_full && self.fits(line.cost().saturating_add(COUNT), 1) {
            self.add_first(line);
        } else {
            self.first_is_full = true;
            self.add_last(line);
            self.evict();
        }
    }

    fn line(&self, text: Text, is_match: bool) -> Line {
        Line { text, group: self.group, is_match, repeats: 0, separated: false }
    }

    /// Counts the line with the newest one, if their messages are equal. As they are shown, that is: a match and a line that is
    /// none may be equal where both are cut, and do not count as one.
    fn folds(&mut self, text: &Text, is_match: bool) -> bool {
        let newest = match self.last.back_mut() {
            Some(newest) => Some(newest),
            None if self.omitted || self.first_is_full => None,
            None => self.first.last_mut(),
        };
        let is_equal =
            |newest: &&mut Line| newest.is_match == is_match && newest.text.message() == text.message();
        let Some(newest) = newest.filter(|_| self.bounds.fold).filter(is_equal) else { return false };
        let added = if newest.repeats == 0 { COUNT } else { 0 };
        newest.repeats = newest.repeats.saturating_add(1);
        if self.last.is_empty() {
            self.first_bytes = self.first_bytes.saturating_add(added);
        } else {
            self.last_bytes = self.last_bytes.saturating_add(added);
            self.evict();
        }
        true
    }

    /// True if `first` has room; half of all bytes are for `last`.
    fn fits(&self, cost: usize, lines: usize) -> bool {
        let bytes = if self.bounds.last > 0 { self.bounds.bytes / 2 } else { self.bounds.bytes };
        self.first_bytes.saturating_add(cost) <= bytes && self.first.len().saturating_add(lines) <= MAX_LINES
    }

    fn add_first(&mut self, line: Line) {
        self.first_bytes = self.first_bytes.saturating_add(line.cost());
        self.first.push(line);
    }

    fn add_last(&mut self, line: Line) {
        self.last_bytes = self.last_bytes.saturating_add(line.cost());
        self.last_matches = self.last_matches.saturating_add(usize::from(line.is_match));
        self.last.push_back(line);
    }

    fn is_over(&self) -> bool {
        self.last_matches > self.bounds.last
            || self.first_bytes.saturating_add(self.last_bytes) > self.bounds.bytes
            || self.last.len() > MAX_LINES
            || self.bounds.last == 0
    }

    /// Leaves out the oldest matches of `last` until it is within its bounds.
    fn evict(&mut self) {
        while !self.last.is_empty() && self.is_over() {
            self.omitted = true;
            let (Some(oldest), Some(newest)) = (self.last.front(), self.last.back()) else { return };
            let group = oldest.group;
            if group == newest.group && self.bounds.last > 0 {
                // Of a single match the lines around it go first, so that the match itself stays.
                let keep_front = oldest.is_match && self.last.len() > 1;
                let gone = if keep_front { self.last.pop_back() } else { self.last.pop_front() };
                self.forget(gone);
                continue;
            }
            while self.last.front().is_some_and(|line| line.group == group) {
                let gone = self.last.pop_front();
                self.forget(gone);
            }
        }
    }

    fn forget(&mut self, line: Option<Line>) {
        let Some(line) = line else { return };
        self.last_bytes = self.last_bytes.saturating_sub(line.cost());
        self.last_matches = self.last_matches.saturating_sub(usize::from(line.is_match));
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.first.len().saturating_add(self.last.len()).saturating_mul(size_of::<Line>());
        self.first_bytes.saturating_add(self.last_bytes).saturating_add(entries)
    }

    /// The texts of both parts, and the matches in them.
    pub(super) fn render(&self) -> (String, String, u64) {
        let (mut first, mut last) = (String::new(), String::new());
        for (at, line) in self.first.iter().enumerate() {
            line.render(line.separated && at > 0, &mut first);
        }
        // Where matches are left out between the parts, the reader says so itself.
        let follows = !self.first.is_empty() && !self.omitted;
        for (at, line) in self.last.iter().enumerate() {
            line.render(line.separated && (at > 0 || follows), &mut last);
        }
        let matches = self.first.iter().chain(&self.last).map(Line::matches);
        (first, last, matches.fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text { text: text.to_owned(), message: 0 }
    }

    fn shown(first: usize, last: usize, bytes: usize) -> Shown {
        Shown::new(Bounds { first, last, bytes, fold: true })
    }

    #[test]
    fn the_first_and_the_last_matches_are_kept() {
        let mut shown = shown(2, 3, 1000);
        for n in 0..100 {
            shown.matched([].into_iter(), text(&n.to_string()), false);
        }
        assert_eq!(shown.render(), ("0\n1\n".into(), "97\n98\n99\n".into(), 5));
    }

    #[test]
    fn nothing_is_left_out_that_has_room() {
        let mut shown = shown(100, 100, 1000);
        for n in 0..99 {
            shown.matched([].into_iter(), text(&format!("line {n:02}")), false);
        }
        let (first, last, matches) = shown.render();
        assert_eq!((first.lines().count() + last.lines().count(), matches), (99, 99));
        assert!(first.len() <= 500 && last.starts_with("line ") && last.ends_with("line 98\n"));
    }

    #[test]
    fn equal_lines_count_as_one_match_to_show() {
        let mut shown = shown(1, 1, 1000);
        for line in ["a", "a", "a", "b", "b", "c", "c"] {
            shown.matched([].into_iter(), text(line), false);
        }
        assert_eq!(shown.render(), ("a\n… 3 times\n".into(), "c\n… 2 times\n".into(), 5));
    }

    #[test]
    fn a_line_that_is_no_match_does_not_count_as_an_equal_match() {
        let mut shown = shown(9, 9, 1000);
        shown.matched([].into_iter(), text("cut"), false);
        shown.context(text("cut"));
        shown.context(text("cut"));
        shown.matched([].into_iter(), text("cut"), false);
        assert_eq!(shown.render(), ("cut\ncut\n… 2 times\ncut\n".into(), String::new(), 2));
    }

    #[test]
    fn no_bytes_are_kept_beyond_the_bound_and_the_newest_match_stays() {
        for bytes in [0, 1, 60, 200, 1000] {
            let mut shown = shown(10, 10, bytes);
            for n in 0..300 {
                let before = (0..n % 5).map(|m| text(&format!("before {n} {m}")));
                shown.matched(before, text(&format!("match {}", n / 2)), n % 3 == 0);
                for m in 0..n % 4 {
                    shown.context(text(&format!("after {m}")));
                }
            }
            let (first, last, _) = shown.render();
            assert!(first.len() + last.len() <= bytes, "{bytes}: {first}{last}");
            assert!(bytes < 60 || last.contains("match 149\n"), "{bytes}: {last}");
        }
    }

    #[test]
    fn without_last_matches_the_first_have_all_the_room() {
        let mut shown = shown(1000, 0, 100);
        for n in 0..100 {
            shown.matched([].into_iter(), text(&format!("{n:04}")), false);
        }
        let (first, last, matches) = shown.render();
        assert_eq!((first.lines().count() as u64, last.as_str()), (matches, ""));
        assert!(first.len() > 60 && first.len() <= 100, "{first}");
    }
}
