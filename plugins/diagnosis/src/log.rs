//! Lines of a container's log, and the errors in them.

use crate::{
    time,
    trouble::{is_change, is_reason, is_trouble},
};

/// Seconds without an error that separate two streaks of errors.
const PAUSE: u64 = 600;
/// Lines before the first error that are looked at for a change.
const BEFORE: usize = 12;
/// Lines of a log that one fact shows.
const SHOWN: usize = 6;

/// A part of a container's log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// True if it is that of the instance before the last restart.
    pub is_previous: bool,
    /// Its lines, the oldest first, each after its time in RFC 3339.
    pub text: String,
    /// Lines at its end, later than those, if the search did not come that far.
    pub end: String,
    /// Lines that were read to find these.
    pub lines_read: u64,
    /// True if it was searched for errors, and not read at its end.
    pub is_search: bool,
    /// The part that was not read; empty if it was read whole.
    pub unread: String,
}

impl Log {
    /// Time and text of each line.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        timed(&self.text)
    }

    /// Its lines with the marks of folded and skipped ones resolved.
    fn parts(text: &str) -> Vec<Line<'_>> {
        let mut parts: Vec<Line<'_>> = Vec::new();
        let mut is_after_gap = false;
        for (stamp, text) in timed(text) {
            let repeats = text.strip_prefix("… ").and_then(|rest| rest.strip_suffix(" times"));
            if let (Some(last), Some(repeats)) =
                (parts.last_mut(), repeats.and_then(|count| count.parse().ok()))
            {
                last.times = repeats;
            } else if text == "--" {
                is_after_gap = true;
            } else if !text.trim().is_empty() {
                parts.push(Line { at: time::parse(stamp), text, times: 1, is_after_gap });
                is_after_gap = false;
            }
        }
        parts
    }

    /// True if no line of it reports trouble.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.lines().chain(timed(&self.end)).any(|(_, text)| is_trouble(text))
    }

    /// The errors since the last long time without one.
    pub(crate) fn newest_streak(&self) -> Option<Streak<'_>> {
        match (Streak::newest(&self.text), Streak::newest(&self.end)) {
            (Some(begin), Some(end)) if !end.is_after_pause => {
                Some(Streak { end: end.end, last: end.last, count: begin.count + end.count, ..begin })
            }
            (begin, end) => end.or(begin),
        }
    }

    /// The lines that most likely say why the container ended: the first that gives a reason with those after it, and the
    /// last one that does; or else its last lines.
    pub(crate) fn last_words(&self) -> Vec<&str> {
        let lines: Vec<&str> = Self::parts(&self.text).iter().map(|line| line.text).collect();
        let said: Vec<&str> = lines.iter().copied().filter(|line| !is_stack(line)).collect();
        let Some(first) = said.iter().position(|line| is_reason(line)) else {
            return lines.get(lines.len().saturating_sub(SHOWN - 1)..).unwrap_or_default().to_vec();
        };
        let mut words: Vec<&str> = said.iter().skip(first).take(SHOWN - 1).copied().collect();
        if let Some(last) = said.iter().rev().find(|line| is_reason(line))
            && !words.contains(last)
        {
            words.push(last);
        }
        words
    }
}

/// A line of a log.
#[derive(Debug, Clone, Copy)]
struct Line<'l> {
    /// Seconds since 1970 at which it was written.
    at: Option<u64>,
    text: &'l str,
    /// Times in a row.
    times: u64,
    /// True if lines before it were not shown.
    is_after_gap: bool,
}

/// Errors of a log that follow one another.
#[derive(Debug, Clone)]
pub(crate) struct Streak<'l> {
    /// Seconds since 1970 of the first.
    pub(crate) begin: Option<u64>,
    /// Seconds since 1970 of the last.
    pub(crate) end: Option<u64>,
    /// True if errors before it were left out.
    is_after_pause: bool,
    /// Number of lines.
    pub(crate) count: u64,
    /// The first error, and the next that differ from it.
    pub(crate) kinds: Vec<&'l str>,
    /// The last error.
    pub(crate) last: &'l str,
    /// Lines before the first error: those of a change, or else the last ones.
    pub(crate) before: Vec<&'l str>,
}

impl<'l> Streak<'l> {
    fn newest(text: &'l str) -> Option<Self> {
        let parts = Log::parts(text);
        let errors: Vec<(usize, &Line<'_>)> =
            parts.iter().enumerate().filter(|(_, line)| is_trouble(line.text)).collect();
        let is_pause = |pair: &[(usize, &Line<'_>)]| match pair {
            [(_, before), (_, after)] => match (before.at, after.at) {
                (Some(before), Some(after)) => after.saturating_sub(before) > PAUSE,
                _ => false,
            },
            _ => false,
        };
        let begin = errors.windows(2).rposition(is_pause).map_or(0, |at| at + 1);
        let streak = errors.get(begin..)?;
        let ((at, first), (_, last)) = (*streak.first()?, *streak.last()?);
        let mut seen: Vec<&str> = Vec::new();
        for (_, line) in streak {
            if seen.len() < 3 && !seen.iter().any(|seen| same_words(seen, line.text)) {
                seen.push(line.text);
            }
        }
        Some(Self {
            is_after_pause: begin > 0,
            begin: first.at,
            end: last.at,
            count: streak.iter().map(|(_, line)| line.times).sum(),
            kinds: seen,
            last: last.text,
            before: before(&parts, at),
        })
    }
}

/// Time and text of each line.
fn timed(text: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    text.lines().map(|line| match line.split_once(' ') {
        Some((time, text)) if time::parse(time).is_some() => (time, text),
        _ => ("", line),
    })
}

/// The lines before the error at `at`, which often name its cause.
fn before<'l>(parts: &[Line<'l>], at: usize) -> Vec<&'l str> {
    let earlier = parts.get(at.saturating_sub(BEFORE)..at).unwrap_or_default();
    let begin = match parts.get(at) {
        Some(error) if error.is_after_gap => earlier.len(),
        _ => earlier.iter().rposition(|line| line.is_after_gap).unwrap_or(0),
    };
    let at = parts.get(at).and_then(|error| error.at);
    let is_near =
        |line: &&Line<'_>| line.at.zip(at).is_none_or(|(line, error)| error.saturating_sub(line) <= PAUSE);
    let earlier: Vec<&str> = earlier.iter().skip(begin).filter(is_near).map(|line| line.text).collect();
    let changes: Vec<&str> = earlier.iter().copied().filter(|line| is_change(line)).collect();
    let (lines, shown) = if changes.is_empty() { (earlier, 2) } else { (changes, SHOWN + 2) };
    lines.get(lines.len().saturating_sub(shown)..).unwrap_or_default().to_vec()
}

/// True if two lines differ in figures and times alone.
fn same_words(one: &str, other: &str) -> bool {
    let words = |line: &str| -> String { line.chars().filter(|letter| letter.is_alphabetic()).collect() };
    words(one) == words(other)
}

/// True for a frame of a stack trace, which says where and not why.
fn is_stack(line: &str) -> bool {
    let start = line.trim_start();
    line.starts_with([' ', '\t'])
        || ["at ", "File \"", "goroutine ", "Traceback ", "... ", "\tat "]
            .iter()
            .any(|word| start.starts_with(word))
        || line.chars().all(|letter| !letter.is_alphanumeric())
}
