//! Colours and other commands for a terminal, which tell a reader of text nothing.

/// The text without control sequences (ECMA-48): ESC, `[`, parameters, and a letter.
pub(crate) fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let is_parameter = |letter: char| matches!(letter, '\u{20}'..='\u{3f}');
        let rest = part.trim_start_matches(is_parameter);
        let end = rest.strip_prefix(|letter: char| matches!(letter, '\u{40}'..='\u{7e}'));
        // What is no sequence stays as it is.
        plain.push_str(end.unwrap_or(part));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_and_nothing_else() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m\n", "red\n"),
            ("\u{1b}[1;38;5;12mx\u{1b}[K\u{1b}[2Jy [31m", "xy [31m"),
            ("äöü\u{1b}[", "äöü"),
            ("\u{1b}[31", "31"),
            ("", ""),
        ] {
            assert_eq!(without_sequences(text), expected, "{text:?}");
        }
    }
}
