//! The line of a log that is arriving, as far as it is held: an endless line cannot make it grow.

use super::lines::MAX_SEARCHED;
use crate::mask::LOOKAHEAD;

/// Max bytes of a line that are held: what is searched or shown, its timestamp, and the end of a token that begins in it.
pub(super) const MAX_HELD: usize = MAX_SEARCHED + LOOKAHEAD + 64;

/// The current line, at most [`MAX_HELD`] bytes of it.
#[derive(Default)]
pub(super) struct HeldLine {
    bytes: Vec<u8>,
    /// True behind [`MAX_HELD`] of a line, until it ends.
    skipping: bool,
}

/// Bytes that a line took of those that arrived.
pub(super) struct Taken {
    /// Bytes up to the end of the line, with its line break.
    pub(super) consumed: usize,
    /// Bytes of them that are not held.
    pub(super) dropped: usize,
    /// True if a line break was among them.
    pub(super) has_ended: bool,
    /// The held bytes are to be processed; true if the line goes on behind them.
    pub(super) complete: Option<bool>,
}

impl HeldLine {
    /// Takes what belongs to the line; `arrived` is not empty.
    pub(super) fn take_from(&mut self, arrived: &[u8]) -> Taken {
        let end = memchr::memchr(b'\n', arrived);
        let text = arrived.get(..end.unwrap_or(arrived.len())).unwrap_or(arrived);
        let has_ended = end.is_some();
        let room = if self.skipping { 0 } else { MAX_HELD.saturating_sub(self.bytes.len()) };
        let held = text.get(..room).unwrap_or(text);
        // Bytes beyond the max are dropped at once.
        self.bytes.extend_from_slice(held);
        let is_cut = held.len() < text.len();
        let complete = if self.skipping { None } else { (is_cut || has_ended).then_some(is_cut) };
        self.skipping = (self.skipping || is_cut) && !has_ended;
        Taken {
            consumed: text.len().saturating_add(usize::from(has_ended)),
            dropped: text.len().saturating_sub(held.len()),
            has_ended,
            complete,
        }
    }

    /// True if a line is held that was not processed yet.
    pub(super) fn is_open(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The held bytes, to be given back after they were processed.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Keeps the memory of a processed line for the next one.
    pub(super) fn give_back(&mut self, mut line: Vec<u8>) {
        line.clear();
        self.bytes = line;
    }

    /// Bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as they are processed, each with true if it is cut, and the number of bytes that are not held.
    fn lines(log: &[u8], size: usize) -> (Vec<(usize, bool)>, usize) {
        let (mut line, mut lines, mut dropped) = (HeldLine::default(), Vec::new(), 0);
        for mut piece in log.chunks(size) {
            while !piece.is_empty() {
                let taken = line.take_from(piece);
                piece = &piece[taken.consumed..];
                dropped += taken.dropped;
                if let Some(is_cut) = taken.complete {
                    let bytes = line.take();
                    lines.push((bytes.len(), is_cut));
                    line.give_back(bytes);
                }
            }
        }
        if line.is_open() {
            lines.push((line.take().len(), false));
        }
        (lines, dropped)
    }

    #[test]
    fn a_line_is_held_to_the_max_however_its_bytes_arrive() {
        let long = "x".repeat(MAX_HELD + 10);
        let exact = "y".repeat(MAX_HELD);
        let log = format!("one\n\n{long}\n{exact}\n{long}two\nlast");
        let expected =
            [(3, false), (0, false), (MAX_HELD, true), (MAX_HELD, false), (MAX_HELD, true), (4, false)];
        for size in [1, 7, MAX_HELD, MAX_HELD + 1, log.len()] {
            assert_eq!(lines(log.as_bytes(), size), (expected.to_vec(), 23), "{size}");
        }
    }
}
