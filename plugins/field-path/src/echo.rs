//! Text from outside in the words of an error.

/// The maximum number of bytes that an error repeats of a text from outside.
pub const MAX_ECHO: usize = 128;

/// A text quoted and escaped, at most [`MAX_ECHO`] bytes of it; if it is cut, with its length. For every error that
/// repeats what came: without it an argument of 60 kB makes an answer of 60 kB.
pub fn echo(text: &str) -> String {
    let kept = cut(text, MAX_ECHO);
    if kept.len() == text.len() { format!("{kept:?}") } else { format!("{kept:?}… ({} bytes)", text.len()) }
}

/// The longest prefix of a text that has at most `max` bytes and ends on a character boundary.
pub fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_short_and_says_how_long_the_text_was() {
        assert_eq!(echo("a\nb"), "\"a\\nb\"");
        let long = echo(&"é".repeat(1000));
        assert!(long.len() < MAX_ECHO + 40 && long.ends_with("… (2000 bytes)"), "{long}");
    }
}
