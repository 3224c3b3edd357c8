//! A shape of lines: its template, its count and its times.

use crate::words::{MAX_LINE, WILDCARD, Words};

/// Lines that differ in values only.
#[derive(Debug)]
pub struct Shape {
    words: Vec<String>,
    /// The first line, shown where it is the only one.
    example: String,
    lines: u64,
    first: String,
    last: String,
    erring: bool,
}

impl Shape {
    pub(crate) fn new(words: &Words, line: &str, erring: bool) -> Self {
        let line = line.get(..line.floor_char_boundary(MAX_LINE)).unwrap_or_default().trim();
        let example = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        Self {
            words: words.iter().map(str::to_owned).collect(),
            example,
            lines: 0,
            first: String::new(),
            last: String::new(),
            erring,
        }
    }

    /// Number of words that the template and the line share. A wildcard of the template shares none, or else the most
    /// general template would take every line.
    pub(crate) fn same_words(&self, words: &Words) -> usize {
        let same = |(ours, theirs): &(&String, &str)| ours.as_str() == *theirs && *theirs != WILDCARD;
        let wild = |(ours, theirs): &(&String, &str)| ours.as_str() == WILDCARD && *theirs == WILDCARD;
        let pairs = || self.words.iter().zip(words.iter());
        pairs().filter(|pair| same(pair) || wild(pair)).count()
    }

    /// Makes a wildcard of each word in which the line differs.
    pub(crate) fn generalize(&mut self, words: &Words) {
        for (ours, theirs) in self.words.iter_mut().zip(words.iter()) {
            if ours != theirs && ours != WILDCARD {
                WILDCARD.clone_into(ours);
            }
        }
    }

    pub(crate) fn count(&mut self, time: &str) {
        self.lines = self.lines.saturating_add(1);
        if time.is_empty() {
            return;
        }
        if self.first.is_empty() || time < self.first.as_str() {
            time.clone_into(&mut self.first);
        }
        if time > self.last.as_str() {
            time.clone_into(&mut self.last);
        }
    }

    /// Number of lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Timestamp of the first line; empty if there is none.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// Timestamp of the last line; empty if there is none.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// True if the lines tell of an error.
    pub fn is_erring(&self) -> bool {
        self.erring
    }

    /// The line, if there is one; else the template, with `<*>` where lines differ. Without line breaks.
    pub fn text(&self) -> String {
        let mut text = if self.lines == 1 { self.example.clone() } else { self.words.join(" ") };
        if text.len() > MAX_LINE {
            text.truncate(text.floor_char_boundary(MAX_LINE));
            text.push('…');
        }
        text
    }
}
