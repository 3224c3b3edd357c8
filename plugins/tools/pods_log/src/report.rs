//! The answer about one log: its lines, and a line on what was read and what was not.

use porthole_sdk::{
    kube_read::{LogEnd, LogMatches},
    parse_time,
    prelude::*,
};

use crate::{
    Part,
    one::{ContainerLog, NO_LOG},
    state,
    targets::Target,
    terminal::without_sequences,
};

impl ContainerLog {
    /// The lines with a word on what was read.
    pub(crate) fn render(&self, target: &Target) -> String {
        without_sequences(&self.with_account(target))
    }

    /// The part of an answer about this log.
    pub(crate) fn part(&self, target: &Target) -> Part {
        let has_lines = self.newest.lines_read > 0 && !self.is_gone();
        Part { text: self.render(target), has_lines }
    }

    fn with_account(&self, target: &Target) -> String {
        let Self { query, newest, oldest, note, .. } = self;
        let searched = query.include.is_some() || query.exclude.is_some();
        let lines = newest.lines_read + oldest.as_ref().map_or(0, |oldest| oldest.lines_read);
        if lines == 0 || self.is_gone() {
            return format!("{note}{}", self.nothing(target));
        }
        if self.matched() == 0 {
            let none =
                if searched { format!("None of the {lines} lines read fits grep.\n") } else { String::new() };
            return format!("{note}{none}[{}]\n", self.account());
        }
        let mut answer = note.clone();
        match oldest {
            None => {
                answer.push_str(&newest.first);
                if newest.shown < newest.matched {
                    let what = if searched { "matches" } else { "lines" };
                    answer.push_str(&format!("[… {} {what} not shown …]\n", newest.matched - newest.shown));
                }
                answer.push_str(&newest.last);
            }
            Some(oldest) => {
                let room = query.limit_bytes.map_or(usize::MAX, |bytes| bytes as usize) / 2;
                answer.push_str(head(&oldest.first, room));
                answer.push_str("[…]\n");
                answer
                    .push_str(tail(if newest.last.is_empty() { &newest.first } else { &newest.last }, room));
            }
        }
        let found = if searched { format!("{}; ", self.found()) } else { String::new() };
        answer.push_str(&format!("[{found}{}]\n", self.account()));
        answer
    }

    /// A word for a log without lines.
    fn nothing(&self, target: &Target) -> String {
        let source = &self.query.source;
        let (pod, namespace) = (&target.pod, &source.namespace);
        let cut = if self.is_complete() { "" } else { " before the call's limit was reached" };
        if source.since_time.is_some() || source.since_seconds.is_some() || self.query.until_time.is_some() {
            return format!("The pod {pod} in namespace {namespace} has no line of that time{cut}.\n");
        }
        if source.tail_lines == Some(0) {
            return format!("No line of the pod {pod} in namespace {namespace} was asked for: tail is 0.\n");
        }
        let container = source.container.as_deref();
        let state = state::of(namespace, pod, container);
        let has_started = state.as_ref().is_none_or(|state| state.has_started);
        let state = state.map(|state| state.sentence).unwrap_or_default();
        if self.is_gone() {
            let run = if source.previous { "run before" } else { "run" };
            return format!(
                "The log of that {run} of the pod {pod} in namespace {namespace} is gone: its node no longer has it ({NO_LOG}…).{state}\n"
            );
        }
        let what = container
            .map_or("no container".to_owned(), |container| format!("the container {container} has not"));
        if !has_started {
            let has = if container.is_some() { "" } else { " has" };
            return format!(
                "There is no log of the pod {pod} in namespace {namespace}: {what}{has} started.{state}\n"
            );
        }
        format!("The pod {pod} in namespace {namespace} has not logged any message yet{cut}.{state}\n")
    }

    /// `12 matches, 2026-11-24T10:00:00Z to 10:05:00Z`.
    pub(crate) fn found(&self) -> String {
        let count = |found: &LogMatches| match found.matched {
            0 => "no match".to_owned(),
            1 => format!("1 match{}", between(&found.first_match, &None)),
            count => format!("{count} matches{}", between(&found.first_match, &found.last_match)),
        };
        match &self.oldest {
            None => count(&self.newest),
            Some(oldest) => {
                format!("{} in the older part, {} in the newer", count(oldest), count(&self.newest))
            }
        }
    }

    /// Account of the part that was read, and of the rest.
    pub(crate) fn account(&self) -> String {
        let Self { query, newest, oldest, stopped, .. } = self;
        let source = &query.source;
        let since = source.since_time.is_some() || source.since_seconds.is_some();
        let mut unread = Vec::new();
        let mut read = Vec::new();
        if let Some(oldest) = oldest {
            read.push(beginning(oldest, since));
            let overlap = oldest.last_line.as_deref().zip(newest.first_line.as_deref());
            let overlap = overlap.and_then(|(end, begin)| Some((parse_time(end)?, parse_time(begin)?)));
            if overlap.is_none_or(|(end, begin)| end < begin) {
                let between = between(&oldest.last_line, &newest.first_line);
                unread.push(format!("the lines between{between} ({})", why(oldest.end)));
            }
        }
        if self.is_longer() || oldest.is_some() {
            let lines = newest.lines_read;
            read.push(match newest.end {
                LogEnd::UntilTime => format!("{lines} lines, {}", extent(newest)),
                _ => format!("the last {lines} lines, {}", extent(newest)),
            });
            if oldest.is_none() {
                let why = stopped.as_ref().map(|error| format!(" ({})", cause(error))).unwrap_or_default();
                unread.push(format!("older lines{why}"));
            }
        } else {
            read.push(beginning(newest, since));
        }
        match newest.end {
            LogEnd::Whole => {}
            LogEnd::UntilTime => unread.push("later lines".to_owned()),
            end => unread.push(format!("the log goes on ({})", why(end))),
        }
        let searched = query.include.is_some() || query.exclude.is_some();
        let long = newest.long_lines + oldest.as_ref().map_or(0, |oldest| oldest.long_lines);
        if searched && long > 0 {
            unread.push(format!("what {long} long lines have behind 16 KiB"));
        }
        unread.push("rotated files (not in the API)".to_owned());
        format!("read {}; not read: {}", read.join(", and "), unread.join(", "))
    }
}

/// A part that begins where the log, or the time asked for, begins.
fn beginning(found: &LogMatches, since: bool) -> String {
    let lines = found.lines_read;
    if since {
        return format!("{lines} lines, {}", extent(found));
    }
    format!(
        "lines 1 to {lines}, bytes 1 to {}{}",
        found.bytes_read,
        between(&found.first_line, &found.last_line)
    )
}

/// `1234 bytes, 2026-11-24T10:00:00Z to 10:05:00Z`.
fn extent(found: &LogMatches) -> String {
    format!("{} bytes{}", found.bytes_read, between(&found.first_line, &found.last_line))
}

/// `, 2026-11-24T10:00:00Z to 10:05:00Z`; empty without times.
pub(crate) fn between(from: &Option<String>, to: &Option<String>) -> String {
    let Some(from) = from.as_deref().map(seconds) else { return String::new() };
    let Some(to) = to.as_deref().map(seconds) else { return format!(", {from}") };
    let day = |time: &str| time.split_once('T').map(|(day, _)| day.to_owned());
    let to = match to.split_once('T') {
        Some((_, time)) if day(&from) == day(&to) => time,
        _ => &to,
    };
    format!(", {from} to {to}")
}

/// The timestamp without its fraction of a second.
pub(crate) fn seconds(stamp: &str) -> String {
    let Some((whole, fraction)) = stamp.split_once('.') else { return stamp.to_owned() };
    format!("{whole}{}", fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

pub(crate) fn why(end: LogEnd) -> &'static str {
    match end {
        LogEnd::OverBytes => "this call's `logBytes` are used up",
        LogEnd::TimeLimit => "the call's time is used up",
        _ => "the lines are too long",
    }
}

pub(crate) fn cause(error: &ReadError) -> &'static str {
    match error.reason {
        Reason::OverBytes => why(LogEnd::OverBytes),
        Reason::OverTime => why(LogEnd::TimeLimit),
        Reason::OverReads => "this call's `reads` are used up",
        _ => "the API server did not answer for them",
    }
}

/// The first whole lines that fit.
fn head(text: &str, room: usize) -> &str {
    if text.len() <= room {
        return text;
    }
    let fits = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
    fits.rfind('\n').and_then(|end| fits.get(..=end)).unwrap_or_default()
}

/// The last whole lines that fit.
fn tail(text: &str, room: usize) -> &str {
    let Some(over) = text.len().checked_sub(room).filter(|over| *over > 0) else { return text };
    let fits = text.get(text.ceil_char_boundary(over)..).unwrap_or_default();
    fits.find('\n').and_then(|end| fits.get(end + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use porthole_sdk::kube_read::{LogSearch, LogSource};

    use super::*;

    fn found(lines: u64, end: LogEnd, times: [&str; 2]) -> LogMatches {
        let [first, last] = times.map(|time| Some(time.to_owned()));
        LogMatches {
            first: "a\n".into(),
            last: "z\n".into(),
            matched: 7,
            shown: 2,
            first_match: first.clone(),
            last_match: last.clone(),
            lines_read: lines,
            bytes_read: lines * 10,
            first_line: first,
            last_line: last,
            long_lines: 0,
            end,
        }
    }

    fn log(tail: Option<u32>, newest: LogMatches, oldest: Option<LogMatches>) -> ContainerLog {
        let source = LogSource {
            namespace: "shop".into(),
            pod: "web".into(),
            container: None,
            previous: false,
            tail_lines: tail,
            since_seconds: None,
            since_time: None,
        };
        let query = LogSearch { include: Some("x".into()), ..crate::search_of(source) };
        ContainerLog { query, newest, oldest, stopped: None, note: String::new() }
    }

    #[test]
    fn an_answer_says_what_was_read_and_what_was_not() {
        const DAY: [&str; 2] = ["2026-11-24T10:00:00.123Z", "2026-11-24T11:00:00.5Z"];
        const NEXT: [&str; 2] = ["2026-11-25T10:00:00Z", "2026-11-26T11:00:00Z"];
        let target = Target::of("web".to_owned());
        for (log, expected) in [
            (
                log(None, found(2000, LogEnd::Whole, DAY), None),
                "[7 matches, 2026-11-24T10:00:00Z to 11:00:00Z; read lines 1 to 2000, bytes 1 to 20000, 2026-11-24T10:00:00Z to 11:00:00Z; not read: rotated files (not in the API)]\n",
            ),
            (
                log(Some(2000), found(2000, LogEnd::Whole, DAY), None),
                "; read the last 2000 lines, 20000 bytes, 2026-11-24T10:00:00Z to 11:00:00Z; not read: older lines, rotated files (not in the API)]\n",
            ),
            (
                log(Some(9), found(9, LogEnd::Whole, NEXT), Some(found(50, LogEnd::OverBytes, DAY))),
                "read lines 1 to 50, bytes 1 to 500, 2026-11-24T10:00:00Z to 11:00:00Z, and the last 9 lines, 90 bytes, 2026-11-25T10:00:00Z to 2026-11-26T11:00:00Z; not read: the lines between, 2026-11-24T11:00:00Z to 2026-11-25T10:00:00Z (this call's `logBytes` are used up), rotated files (not in the API)]\n",
            ),
            (
                log(None, found(5, LogEnd::TimeLimit, DAY), None),
                "not read: the log goes on (the call's time is used up), rotated files (not in the API)]\n",
            ),
        ] {
            let answer = log.render(&target);
            assert!(answer.starts_with("a\n[…") && answer.contains("z\n[7 matches, "), "{answer}");
            assert!(answer.ends_with(expected), "{answer}\n{expected}");
        }
    }

    #[test]
    fn parts_are_cut_between_lines() {
        assert_eq!((head("ab\ncd\nef\n", 7), tail("ab\ncd\nef\n", 7)), ("ab\ncd\n", "cd\nef\n"));
        assert_eq!((head("ab\n", 3), tail("ab\n", 3), head("äääää\n", 3)), ("ab\n", "ab\n", ""));
    }
}
