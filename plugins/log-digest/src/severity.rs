//! Lines that tell of an error.

use crate::words::{MAX_LINE, is_status};

/// Beginnings of words by which programs tell of errors.
const WORDS: [&str; 17] = [
    "abort",
    "crash",
    "critical",
    "denied",
    "deadlock",
    "err",
    "exception",
    "fatal",
    "fail",
    "killed",
    "oom",
    "panic",
    "refused",
    "reset",
    "timeout",
    "traceback",
    "unable",
];

/// True if the line has a word of an error, or an HTTP status from 500 on.
pub(crate) fn is_erring(line: &str) -> bool {
    let line = line.get(..line.floor_char_boundary(MAX_LINE)).unwrap_or_default();
    line.split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|word| (is_status(word) && word.starts_with('5') && is_alone(line, word)) || is_word(word))
}

/// True if the status is a word of its own, and no part of a path or an address.
fn is_alone(line: &str, word: &str) -> bool {
    line.split_ascii_whitespace().any(|other| other.trim_matches(['"', ',', ';']) == word)
}

/// True for `ERROR`, `errors`, `NullPointerException`, `failed`.
fn is_word(word: &str) -> bool {
    let begins = |with: &str| word.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let ends = |with: &str| {
        word.len()
            .checked_sub(with.len())
            .and_then(|at| word.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(with))
    };
    WORDS.iter().any(|with| begins(with)) || ends("error") || ends("exception")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_known_by_their_words() {
        for line in [
            "ERROR /ready 500",
            "level=error msg=x",
            "java.lang.NullPointerException: x",
            "GET / 503 2ms",
            "dial tcp: connection refused",
            "panic: nil map",
            "E1124 failed to sync",
        ] {
            assert!(is_erring(line), "{line}");
        }
        for line in ["GET /products/500 200 3ms", "served 10.0.500.1", "INFO listening", "INFO ready", ""] {
            assert!(!is_erring(line), "{line}");
        }
    }
}
