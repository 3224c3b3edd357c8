//! The table of answers, and those that are wrong.

use std::time::Duration;

use porthole_testbed::verdict::{Verdict, causes};
use regex::RegexBuilder;

/// An answer to a question.
pub(crate) struct Asked {
    /// Name of the fault or object.
    pub(crate) of: String,
    pub(crate) arguments: String,
    pub(crate) answer: String,
    pub(crate) took: Duration,
}

/// Judged answers.
#[derive(Default)]
pub(crate) struct Report {
    part: String,
    asked: usize,
    tokens: Vec<usize>,
    wrong: Vec<String>,
}

impl Report {
    pub(crate) fn begin(&mut self, part: &str) {
        eprintln!("\n{part}\n{:<34} {:<62} {:>6} {:>6}  causes", "fault", "question", "tokens", "ms");
        self.part = part.to_owned();
    }

    /// Records an answer that must be right.
    pub(crate) fn judged(&mut self, asked: Asked, verdict: Verdict) {
        self.asked += 1;
        let Asked { of, arguments, answer, took } = asked;
        // A token has four characters, roughly.
        let tokens = answer.len() / 4;
        self.tokens.push(tokens);
        let named: Vec<String> = causes(&answer).iter().map(ToString::to_string).collect();
        let named = if named.is_empty() { "-".to_owned() } else { named.join(", ") };
        let outcome = if verdict.is_right() { String::new() } else { format!("  {verdict}") };
        eprintln!("{of:<34} {arguments:<62} {tokens:>6} {:>6}  {named}{outcome}", took.as_millis());
        if !verdict.is_right() {
            self.wrong.push(format!("{}: {of} {arguments}: {verdict}\n{answer}", self.part));
        }
    }

    /// Records an answer that may miss a cause if it says what it did not see, by this expression. A cause that is not
    /// there stays wrong; only a guess is forgiven, and only beside that saying.
    pub(crate) fn honest(&mut self, asked: Asked, verdict: Verdict, says: &str) {
        let says = RegexBuilder::new(says).case_insensitive(true).build().unwrap();
        let verdict = match verdict.is_right() || !says.is_match(&asked.answer) {
            true => verdict,
            false => Verdict {
                missing: Vec::new(),
                wrong: verdict.wrong.into_iter().filter(|cause| !cause.ends_with("(guess)")).collect(),
                ..verdict
            },
        };
        self.judged(asked, verdict);
    }

    /// Fails if an answer was wrong.
    pub(crate) fn end(mut self) {
        self.tokens.sort_unstable();
        let median = self.tokens[self.tokens.len() / 2];
        eprintln!(
            "\n{} answers, {} wrong; tokens: median {median}, at most {}",
            self.asked,
            self.wrong.len(),
            self.tokens[self.tokens.len() - 1]
        );
        assert!(self.wrong.is_empty(), "{} wrong answers:\n\n{}", self.wrong.len(), self.wrong.join("\n\n"));
    }
}
