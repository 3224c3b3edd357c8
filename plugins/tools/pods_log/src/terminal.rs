//! Colours and other commands for a terminal, which tell a reader of text nothing.

const ESCAPE: char = '\u{1b}';

/// The text without control sequences (ECMA-48): ESC, `[`, parameters, and a letter; ESC, `]`, a text, and BEL or ESC `\`.
/// No ESC is left of what is none, or what stands around a sequence could become another.
pub(crate) fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        plain.push_str(before);
        rest = after_sequence(after).unwrap_or(after);
    }
    plain.push_str(rest);
    plain
}

/// The text behind a sequence, whose ESC is left out; `None` if it is none.
fn after_sequence(text: &str) -> Option<&str> {
    if let Some(control) = text.strip_prefix('[') {
        let is_parameter = |letter: char| matches!(letter, '\u{20}'..='\u{3f}');
        let end = control.trim_start_matches(is_parameter);
        // Without its end only the beginning is left out.
        let end = end.strip_prefix(|letter: char| matches!(letter, '\u{40}'..='\u{7e}'));
        return Some(end.unwrap_or(control));
    }
    let command = text.strip_prefix(']')?;
    // Within its line: one that never ends must not hide the lines behind it.
    let (end, letter) =
        command.char_indices().find(|&(_, letter)| matches!(letter, '\u{7}' | '\n' | ESCAPE))?;
    match letter {
        '\u{7}' => command.get(end + 1..),
        ESCAPE => command.get(end + 1..)?.strip_prefix('\\'),
        _ => None,
    }
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
            // What is left around a sequence is none.
            ("\u{1b}\u{1b}[m[31mx", "[31mx"),
            ("\u{1b}\u{1b}[m\u{1b}[m[31mx\u{1b}", "[31mx"),
            ("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", "abc"),
            ("\u{1b}]never ends\nnext", "]never ends\nnext"),
            ("\u{1b}]0;\u{1b}[31mx", "]0;x"),
            ("\u{1b}cx", "cx"),
        ] {
            assert_eq!(without_sequences(text), expected, "{text:?}");
        }
    }
}
