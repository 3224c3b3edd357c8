//! Search patterns: bounded before they are compiled, compiled once per call on a worker.

use std::{collections::HashMap, sync::Arc};

use porthole_contract::{Echo, Failure, LogSearch, Reason};
use regex::bytes::{Regex, RegexBuilder};
use tokio::sync::Mutex;

use super::matches::SearchPatterns;
use crate::{ReadBudget, work::Workers};

/// Max bytes of a pattern. The syntax tree is built before any limit on the compiled size: `\w` 330,000 times took 1.9
/// GB.
const MAX_PATTERN: usize = 1 << 10;
/// Max nesting of groups and repetitions.
const MAX_NESTING: u32 = 64;
/// Max bytes of a compiled pattern, which bounds the time per line: with this value a line of 16 KiB takes 0.2 s at
/// worst, with 256 KiB 1.3 s. Usual patterns have 1 to 10 kB, except for Unicode: one `\w` is 50 kB of ranges.
const MAX_COMPILED: usize = 64 << 10;
/// Max bytes of the DFA cache of a search. With 256 KiB the states of `a[ab]{900}$` do not fit, and a line takes 120
/// ms.
const MAX_STATES: usize = 1 << 20;
/// Max distinct patterns of one call. The attack: a component that compiles patterns in a loop, at the host's cost.
const MAX_PATTERNS: usize = 16;

/// Treatment of upper and lower case by a pattern that does not say it itself, as by `(?i)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// `Error` is not `error`.
    Minded,
    /// `Error` is `error`.
    Ignored,
}

/// Compiled patterns of one call.
#[derive(Default)]
pub struct Patterns(Mutex<HashMap<(String, Case), Arc<Regex>>>);

impl Patterns {
    /// Returns the pattern, compiled on first use. `None` if there is nothing to search for.
    pub async fn get_or_compile(
        &self,
        pattern: Option<&str>,
        case: Case,
        workers: &Workers,
        budget: &ReadBudget,
    ) -> Result<Option<Arc<Regex>>, Failure> {
        let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else { return Ok(None) };
        if pattern.len() > MAX_PATTERN {
            return Err(invalid(pattern, &format!("it is longer than {MAX_PATTERN} bytes")));
        }
        // Locked during compilation, so that 64 concurrent log reads compile a pattern once.
        let mut compiled = self.0.lock().await;
        let key = (pattern.to_owned(), case);
        if let Some(regex) = compiled.get(&key) {
            return Ok(Some(Arc::clone(regex)));
        }
        if compiled.len() >= MAX_PATTERNS {
            return Err(invalid(pattern, &format!("a call searches for at most {MAX_PATTERNS} patterns")));
        }
        let own = pattern.to_owned();
        let regex = workers.run(budget, "the pattern", move |_| compile(&own, case)).await?.map(Arc::new)?;
        compiled.insert(key, Arc::clone(&regex));
        Ok(Some(regex))
    }

    /// Returns the patterns of a search.
    pub async fn of_search(
        &self,
        query: &LogSearch,
        workers: &Workers,
        budget: &ReadBudget,
    ) -> Result<SearchPatterns, Failure> {
        let case = if query.ignore_case { Case::Ignored } else { Case::Minded };
        Ok(SearchPatterns {
            include: self.get_or_compile(query.include.as_deref(), case, workers, budget).await?,
            exclude: self.get_or_compile(query.exclude.as_deref(), case, workers, budget).await?,
        })
    }
}

fn invalid(pattern: &str, cause: &str) -> Failure {
    Failure::new(Reason::Invalid, format!("the pattern {} cannot be used: {cause}", Echo(pattern)))
}

/// Compiles a pattern with Unicode classes if that fits; otherwise `\w`, `\d`, `\s`, `\b` and `(?i)` are ASCII only,
/// with which every usual pattern fits.
pub(super) fn compile(pattern: &str, case: Case) -> Result<Regex, Failure> {
    let build = |unicode: bool| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .case_insensitive(case == Case::Ignored)
            .nest_limit(MAX_NESTING)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_STATES)
            .build()
    };
    let built = match build(true) {
        // A pattern that requires Unicode (`\p{L}`) is malformed without it; the original size error is then the better
        // reason.
        Err(too_big @ regex::Error::CompiledTooBig(_)) => build(false).map_err(|_| too_big),
        built => built,
    };
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            invalid(pattern, "compiled it is too large; search for less, or for a shorter repetition")
        }
        // regex's message repeats the pattern before its last line.
        error => {
            let text = error.to_string();
            let cause = text.lines().last().unwrap_or_default();
            invalid(pattern, cause.strip_prefix("error: ").unwrap_or(cause))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn budget() -> ReadBudget {
        ReadBudget::new(tokio::time::Instant::now() + Duration::from_secs(20), 1 << 20, 1 << 20)
    }

    #[test]
    fn patterns_that_people_write_compile() {
        for pattern in [
            "error",
            "(?i)error|warn|fatal",
            r"user=\w+ path=\S+ status=\d+",
            r"\w+@\w+\.\w+",
            r"(\w+)=(\w+) (\w+)=(\w+) (\w+)=(\w+) (\w+)=(\w+)",
            r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.*(ERROR|WARN)",
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
            r"(?i)connection (refused|reset|timed? ?out)|no route to host|i/o timeout|dial tcp .*:\d+",
            r"\w{1,10}\s+\w+",
            r"\p{L}+",
            "größe=\\w+",
        ] {
            assert!(compile(pattern, Case::Minded).is_ok(), "{pattern}");
        }
        assert!(compile(r"\w+", Case::Minded).unwrap().is_match("größe".as_bytes()));
        // Too large with Unicode, so `\w` is ASCII here: é does not match, the rest does.
        assert!(compile(r"\w+@\w+\.\w+", Case::Minded).unwrap().is_match(b"to a@b.c"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_long_pattern_is_refused_before_it_is_looked_at() {
        let (patterns, workers) = (Patterns::default(), Workers::default());
        let failure = patterns
            .get_or_compile(Some(&r"\w".repeat(330_000)), Case::Minded, &workers, &budget())
            .await
            .unwrap_err();
        assert_eq!(failure.reason, Reason::Invalid);
        // The reason of its length, and not that of a compiler.
        assert!(failure.message.len() < 400 && failure.message.contains("it is longer than"), "{failure}");
    }

    #[test]
    fn a_pattern_too_large_or_malformed_is_refused_and_not_repeated() {
        for pattern in
            ["(", "(a{1000}){1000}", r"[\w\W]{9000}\pL", "a[ab]{12000}$|zz", &"(".repeat(500), r"\p{L}{200}"]
        {
            let began = Instant::now();
            let failure = compile(pattern, Case::Minded).unwrap_err();
            assert_eq!(failure.reason, Reason::Invalid, "{pattern}");
            assert!(failure.message.len() < 400, "{failure}");
            assert!(began.elapsed() < Duration::from_secs(2), "{pattern}: {:?}", began.elapsed());
        }
        assert!(compile("(a", Case::Minded).unwrap_err().message.ends_with("unclosed group"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_compiles_a_pattern_once_and_few_of_them() {
        let (patterns, workers) = (Patterns::default(), Workers::default());
        let first =
            patterns.get_or_compile(Some("x"), Case::Minded, &workers, &budget()).await.unwrap().unwrap();
        for _ in 0..250 {
            let again =
                patterns.get_or_compile(Some("x"), Case::Minded, &workers, &budget()).await.unwrap().unwrap();
            assert!(Arc::ptr_eq(&first, &again));
        }
        let mut refused = 0;
        for n in 0..250 {
            refused += usize::from(
                patterns
                    .get_or_compile(Some(&format!("x{n}")), Case::Minded, &workers, &budget())
                    .await
                    .is_err(),
            );
        }
        assert_eq!(refused, 250 + 1 - MAX_PATTERNS);
        assert!(
            patterns.get_or_compile(Some(""), Case::Minded, &workers, &budget()).await.unwrap().is_none()
        );
    }
}
