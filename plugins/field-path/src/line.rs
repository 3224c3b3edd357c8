//! Foreign text as part of one line.

use std::borrow::Cow;

/// A text of foreign origin as a part of one line: breaks and tabs become single spaces, as other white space beside them
/// does, and what else ends a line, steers a terminal, turns the direction of text or has no width is escaped
/// (`\\u{202e}`). Every cell, title, status, count and line of a diagnosis goes through it: an object's text would else
/// write a line of the tool's own, or be read as another than it is.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let spaced: Cow<'_, str> = if text.contains(['\n', '\r', '\t']) {
        let ends = |letter: char| {
            letter != '\u{85}' && !matches!(letter, '\u{2028}' | '\u{2029}') && letter.is_whitespace()
        };
        text.split(ends).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").into()
    } else {
        text.into()
    };
    if !spaced.contains(is_steering) {
        return spaced;
    }
    let mut line = String::with_capacity(spaced.len());
    for letter in spaced.chars() {
        if is_steering(letter) {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line.into()
}

/// True for control characters, separators of lines, marks of direction, and what has no width (Unicode TR 36): the same
/// as the host escapes.
fn is_steering(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_line() {
        for (text, expected) in [
            ("database\n1", "database 1"),
            ("a\r\n\tb  c", "a b c"),
            ("a  b", "a  b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{85}b\u{2028}c\u{2029}d", "a\\u{85}b\\u{2028}c\\u{2029}d"),
            ("\u{202e}gnp\u{2066}", "\\u{202e}gnp\\u{2066}"),
            ("\u{61c}a\u{200b}b\u{feff}\u{e0041}", "\\u{61c}a\\u{200b}b\\u{feff}\\u{e0041}"),
            ("grün 日本", "grün 日本"),
        ] {
            assert_eq!(one_line(text), expected);
        }
    }
}
