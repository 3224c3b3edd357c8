//! Masks secrets in text that applications wrote: logs, and the messages of events.
//!
//! Runs before anything else sees a line, so neither a search pattern nor folding is an oracle for what is masked.

mod pem;
mod plain;
mod rules;
mod terminal;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range};

use memchr::memmem;

use pem::{Blocks, Part};
pub(crate) use plain::is_plain;
use rules::RULES;

/// Treatment of secrets in logs and event messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Masking {
    /// A secret is replaced by `<masked: KIND>`; control sequences of terminals, which could hide one, are left out.
    #[default]
    Mask,
    /// Text is handed out as it was written.
    Off,
}

/// Beginning of a mask; its kind and `>` follow.
const OPEN: &str = "<masked: ";

/// Bytes of a line to look at behind the last one that is handed out. Most rules need the whole of a token, so the
/// token in which a line is cut must be seen to its end: the longest rule of a fixed form has 255 bytes.
pub(crate) const LOOKAHEAD: usize = 1 << 10;

/// Masks the lines of one text, in order: a private key stretches over several.
#[derive(Default)]
pub(crate) struct Masker {
    blocks: Blocks,
}

impl Masker {
    /// Notes that the end of the last line was not seen: a private key may begin there.
    pub(crate) fn cut(&mut self) {
        self.blocks.cut();
    }

    /// Masks the next line, without the control sequences of terminals in it: so all that follows sees the text that was
    /// masked.
    pub(crate) fn line<'l>(&mut self, line: &'l [u8]) -> Cow<'l, [u8]> {
        match terminal::strip(line) {
            Cow::Borrowed(line) => self.text(line),
            Cow::Owned(line) => Cow::Owned(self.text(&line).into_owned()),
        }
    }

    fn text<'l>(&mut self, line: &'l [u8]) -> Cow<'l, [u8]> {
        let mut out = Vec::new();
        let mut copied = 0;
        if self.blocks.are_outside(line) {
            mask_tokens(line, 0..line.len(), &mut copied, &mut out);
        } else {
            for part in self.blocks.parts(line) {
                match part {
                    Part::Text(range) => mask_tokens(line, range, &mut copied, &mut out),
                    Part::Key(range) => replace(line, &range, "private key", &mut copied, &mut out),
                }
            }
        }
        if copied == 0 && out.is_empty() {
            return Cow::Borrowed(line);
        }
        out.extend_from_slice(line.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// Masks a whole text, line by line.
pub(crate) fn mask_text(text: &str) -> Cow<'_, str> {
    // A table has ten short texts a row, and a search costs more than all else that is done with one.
    if is_plain(text.as_bytes()) { Cow::Borrowed(text) } else { mask_lines(text) }
}

fn mask_lines(text: &str) -> Cow<'_, str> {
    let (mut masker, mut out, mut at) = (Masker::default(), String::new(), 0_usize);
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        if let Cow::Owned(masked) = masker.line(content.as_bytes()) {
            // Room for everything, so that a text of many masks is copied once.
            out.reserve(text.len().saturating_sub(at));
            out.push_str(&String::from_utf8_lossy(&masked));
        } else {
            out.push_str(content);
        }
        at = at.saturating_add(line.len());
        if content.len() < line.len() {
            out.push('\n');
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// Number of masks in a text that is handed out.
pub(crate) fn count(text: &[u8]) -> u64 {
    memmem::find_iter(text, OPEN.as_bytes()).count() as u64
}

/// Appends the line up to `secret`, and a mask in its place.
fn replace(line: &[u8], secret: &Range<usize>, kind: &str, copied: &mut usize, out: &mut Vec<u8>) {
    out.extend_from_slice(line.get(*copied..secret.start).unwrap_or_default());
    out.extend_from_slice(OPEN.as_bytes());
    out.extend_from_slice(kind.as_bytes());
    out.push(b'>');
    *copied = secret.end;
}

/// Masks every token within `range` of the line.
fn mask_tokens(line: &[u8], range: Range<usize>, copied: &mut usize, out: &mut Vec<u8>) {
    let Some(text) = line.get(..range.end) else { return };
    let mut at = range.start;
    while let Some((rule, found)) = RULES.find(text, at) {
        let secret = rule.secret(text, found.clone(), (*copied).max(range.start));
        match secret {
            Some(secret) => {
                at = secret.end.max(found.end);
                replace(line, &secret, rule.kind, copied, out);
            }
            // The value of a key that is none may be a secret by its own form.
            None => at = found.start.max(at.saturating_add(1)),
        }
    }
}
