//! Escaping of foreign text (components, clients, clusters, file names) for a terminal, a log line or an error.

use std::fmt::{self, Write as _};

/// Max bytes of foreign text that an error repeats. Without it one request of 1 MB would make an answer, a log line and
/// an audit line of 1 MB each.
pub const MAX_ECHO: usize = 128;

/// Displays text with control characters, line breaks and bidirectional overrides escaped (`\n`, `\u{202e}`), so that
/// it can neither begin a line of its own nor steer a terminal. Everything else is unchanged.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'t>(pub &'t str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| {
            if controls_display(letter) {
                write!(f, "{}", letter.escape_default())
            } else {
                f.write_char(letter)
            }
        })
    }
}

/// Displays text of several lines: as [`Printable`], but keeps line breaks (`\r\n` as `\n`) and tabs. For an answer or a
/// description, where a further line is not mistaken for the host's own.
#[derive(Debug, Clone, Copy)]
pub struct PrintableLines<'t>(pub &'t str);

impl fmt::Display for PrintableLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.lines().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            for (column, cell) in line.split('\t').enumerate() {
                if column > 0 {
                    f.write_char('\t')?;
                }
                Printable(cell).fmt(f)?;
            }
        }
        Ok(())
    }
}

/// Displays text quoted and escaped, at most [`MAX_ECHO`] bytes of it; if truncated, with its length.
#[derive(Debug, Clone, Copy)]
pub struct Echo<'t>(pub &'t str);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = truncate(self.0, MAX_ECHO);
        if kept.len() == self.0.len() {
            return write!(f, "{kept:?}");
        }
        write!(f, "{kept:?}… ({} bytes)", self.0.len())
    }
}

/// The longest prefix of a text that has at most `max` bytes and ends on a character boundary.
pub fn truncate(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

/// True if a character moves the cursor, ends the line, or changes the direction of the text after it (Unicode TR 36).
pub fn controls_display(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line_or_steers_a_terminal() {
        let text = Printable("ok\n{\"audit\":1}\r\u{1b}[2J\u{202e}\u{2028}é").to_string();
        assert_eq!(text, "ok\\n{\"audit\":1}\\r\\u{1b}[2J\\u{202e}\\u{2028}é");
    }

    #[test]
    fn an_answer_keeps_its_lines_and_columns_and_steers_nothing() {
        let text = PrintableLines("a\tb\r\n\u{1b}[2Jc\u{202e}\n").to_string();
        assert_eq!(text, "a\tb\n\\u{1b}[2Jc\\u{202e}");
    }

    #[test]
    fn an_echo_is_short_and_says_how_long_the_text_was() {
        assert_eq!(Echo("a\nb").to_string(), "\"a\\nb\"");
        let echo = Echo(&"é".repeat(1000)).to_string();
        assert!(echo.len() < MAX_ECHO + 40 && echo.ends_with("… (2000 bytes)"), "{echo}");
    }
}
