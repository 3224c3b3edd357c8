//! Private keys in PEM (RFC 7468), which stretch over several lines.

use std::ops::Range;

use memchr::memmem;

/// Max lines of a key after its first one: an RSA key of 16,384 bits has about 200. A first line without a last one
/// must not mask the rest of a log.
const MAX_LINES: u32 = 400;
/// Min bytes of a line at the head of a text that may be the rest of a key. The last line of a key can be shorter.
const MIN_REST: usize = 40;

/// Beginning of the first line of a key, and of a certificate.
const BEGIN: &[u8] = b"-----BEGIN ";

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Range<usize>),
    /// Part of a private key.
    Key(Range<usize>),
}

/// Position in the lines of a text, as far as keys depend on it.
pub(super) struct Blocks {
    /// Lines that may still belong to the current key; 0 outside of one.
    lines_left: u32,
    /// True until a line is no base64: a text may begin within a key, whose first line is not in it.
    at_head: bool,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { lines_left: 0, at_head: true }
    }
}

impl Blocks {
    /// A key may begin in what was not seen, so that the next line is as the first one of a text.
    pub(super) fn cut(&mut self) {
        self.at_head = true;
    }

    /// True if the next line has no part of a key, as nearly every line.
    pub(super) fn are_outside(&self, line: &[u8]) -> bool {
        self.lines_left == 0 && !self.at_head && memmem::find(line, BEGIN).is_none()
    }

    /// Cuts the next line apart.
    pub(super) fn parts(&mut self, line: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut at = 0;
        loop {
            let rest = line.get(at..).unwrap_or_default();
            if self.lines_left > 0 {
                let Some(end) = memmem::find(rest, b"-----END ") else { break };
                // The end marker stays out of the mask's way: only bytes up to the last dash belong to the key.
                let marker = rest.get(end.saturating_add(9)..).unwrap_or_default();
                let tail =
                    memmem::find(marker, b"-----").map_or(marker.len(), |dashes| dashes.saturating_add(5));
                let end = at.saturating_add(end).saturating_add(9).saturating_add(tail);
                parts.push(Part::Key(at..end));
                (self.lines_left, self.at_head, at) = (0, false, end);
                continue;
            }
            let Some(begin) = begin(rest) else { break };
            let start = at.saturating_add(begin.start);
            parts.push(Part::Text(at..start));
            (self.lines_left, at) = (MAX_LINES, start);
            // Without an end in this line the rest of it is the key.
            if memmem::find(line.get(at..).unwrap_or_default(), b"-----END ").is_none() {
                parts.push(Part::Key(at..line.len()));
                self.at_head = false;
                return parts;
            }
        }
        let rest = at..line.len();
        if self.lines_left > 0 {
            self.lines_left = self.lines_left.saturating_sub(1);
            let body = alone(line).or_else(|| last_word(line).filter(|word| word.len() >= MIN_REST));
            parts.push(body.map_or(Part::Text(rest), Part::Key));
            return parts;
        }
        if self.at_head && at == 0 {
            let body = alone(line).filter(|body| is_rest(line.get(body.clone()).unwrap_or_default()));
            self.at_head = body.is_some();
            if let Some(body) = body {
                parts.push(Part::Key(body));
                return parts;
            }
        }
        parts.push(Part::Text(rest));
        parts
    }
}

/// The first line of a private key, of any kind.
fn begin(text: &[u8]) -> Option<Range<usize>> {
    // The words of a label before `PRIVATE KEY`, as in `ENCRYPTED` and `OPENSSH`.
    const MAX_LABEL: usize = 40;
    let mut at = 0_usize;
    loop {
        let start = at.saturating_add(memmem::find(text.get(at..)?, BEGIN)?);
        let label = start.saturating_add(BEGIN.len());
        let end = label.saturating_add(MAX_LABEL).saturating_add(16).min(text.len());
        let window = text.get(label..end)?;
        if let Some(found) = memmem::find(window, b"PRIVATE KEY") {
            return Some(start..label.saturating_add(found).saturating_add(11));
        }
        at = label;
    }
}

/// The last word of a line, if it is base64.
fn last_word(line: &[u8]) -> Option<Range<usize>> {
    let trimmed = line.trim_ascii_end();
    let start = trimmed.iter().rposition(u8::is_ascii_whitespace).map_or(0, |space| space.saturating_add(1));
    let word = trimmed.get(start..)?;
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    (!word.is_empty() && word.iter().all(base64)).then_some(start..trimmed.len())
}

/// The base64 of a line that has nothing else but a timestamp.
fn alone(line: &[u8]) -> Option<Range<usize>> {
    let word = last_word(line)?;
    let before = line.get(..word.start)?.trim_ascii();
    let timestamp = before.first().is_some_and(u8::is_ascii_digit) && !before.contains(&b' ');
    (before.is_empty() || timestamp).then_some(word)
}

/// True if a line at the head of a text may be the rest of a key: long, and neither hexadecimal nor a word.
fn is_rest(word: &[u8]) -> bool {
    word.len() >= MIN_REST
        && word.len() <= 76
        && word.iter().any(u8::is_ascii_uppercase)
        && word.iter().any(u8::is_ascii_lowercase)
        && word.iter().any(u8::is_ascii_digit)
}
