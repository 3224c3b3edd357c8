//! Control sequences of terminals, left out of a line before it is masked.
//!
//! The attack: a reader of logs takes colours off what was masked, and a colour within a secret, or before it, hides its
//! form from the rules: in `ESC[32mAKIA…` the `m` is a part of the word. What is handed out has no sequence left, nor
//! pieces of one that would form another.

use std::borrow::Cow;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
/// U+009B in UTF-8, which is `ESC [` in one character.
const CSI: [u8; 2] = [0xc2, 0x9b];

/// The line without control sequences (ECMA-48). One that does not end loses its beginning alone, but for a title or a
/// link, which lasts to the end of the line.
pub(super) fn strip(line: &[u8]) -> Cow<'_, [u8]> {
    if !has_sequence(line) {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, tail)) = rest.split_first() {
        rest = match *byte {
            ESC => after_escape(tail),
            // Looks at what is kept, because a byte that is left out may have stood between the two.
            second if second == CSI[1] && out.last() == Some(&CSI[0]) => {
                out.pop();
                after_csi(tail).unwrap_or(tail)
            }
            other => {
                out.push(other);
                tail
            }
        };
    }
    Cow::Owned(out)
}

/// True if the text has the beginning of a control sequence.
pub(super) fn has_sequence(text: &[u8]) -> bool {
    memchr::memchr2_iter(ESC, CSI[1], text).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        text.get(at) == Some(&ESC) || before == Some(&CSI[0])
    })
}

/// The rest behind a sequence whose ESC was read; all of the text if it is none.
fn after_escape(text: &[u8]) -> &[u8] {
    match text {
        [b'[', rest @ ..] => after_csi(rest).unwrap_or(text),
        [b']', rest @ ..] => after_osc(rest),
        // A character set, which `tput sgr0` chooses with each end of a colour.
        [b'(' | b')', b'0' | b'A' | b'B', rest @ ..] => rest,
        _ => text,
    }
}

/// The rest behind parameters and the final byte; `None` without a final byte.
fn after_csi(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| !matches!(byte, 0x20..=0x3f))?;
    let is_final = text.get(end).is_some_and(|byte| matches!(byte, 0x40..=0x7e));
    is_final.then(|| text.get(end.saturating_add(1)..).unwrap_or_default())
}

/// The rest behind BEL or `ESC \`; nothing without them.
fn after_osc(text: &[u8]) -> &[u8] {
    for at in memchr::memchr2_iter(BEL, ESC, text) {
        match text.get(at..).unwrap_or_default() {
            [BEL, rest @ ..] | [ESC, b'\\', rest @ ..] => return rest,
            _ => {}
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(line: &[u8]) -> Vec<u8> {
        let out = strip(line).into_owned();
        assert!(!has_sequence(&out), "{}", out.escape_ascii());
        out
    }

    #[test]
    fn sequences_are_left_out_and_text_stays() {
        for (line, expected) in [
            ("plain ünïcode 日本 \t", "plain ünïcode 日本 \t"),
            ("\u{1b}[32mgreen\u{1b}[0m \u{1b}[1;38:5:7mx\u{1b}[K", "green x"),
            ("\u{9b}31mred\u{9b}m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\ after", "link after"),
            ("a\u{1b}]0;without an end", "a"),
            ("\u{1b}(B\u{1b}[mplain", "plain"),
            ("\u{1b}", ""),
            ("\u{1b}[", "["),
            ("\u{1b}[31é \u{9b}31é", "[31é 31é"),
            ("\u{1b}7saved\u{1b}8", "7saved8"),
            ("\u{1b}\u{1b}[m[31m", "[31m"),
            ("\u{1b}[3\u{1b}[mx", "[3x"),
        ] {
            assert_eq!(String::from_utf8(stripped(line.as_bytes())).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn nothing_that_is_left_forms_another_sequence() {
        assert_eq!(stripped(b"\xc2\x1b\x9b31mx"), b"x");
        assert_eq!(stripped(b"\xc2\xc2\x9bm\x9bmx"), b"x");
        assert_eq!(stripped(b"\xc2\x1b[m\x9b"), b"");
        // Every line of these pieces.
        let pieces: [&[u8]; 8] = [b"\x1b", b"[", b"]", b"\xc2", b"\x9b", b"m", b"\\", b"\x07"];
        for number in 0..8_usize.pow(6) {
            let line: Vec<u8> = (0..6).flat_map(|at| pieces[number / 8_usize.pow(at) % 8]).copied().collect();
            stripped(&line);
        }
    }
}
