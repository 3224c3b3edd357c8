//! `output: digest`: the shapes of a log's lines.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use porthole_log_digest::{Digest, Shape};
use porthole_sdk::{
    kube_read::{LogChunk, LogEnd, LogReader, LogSource, ReadError, Reason},
    prelude::*,
};

use crate::{
    one::{self, ContainerLog},
    report::{between, seconds, why},
    targets::Target,
    terminal::without_sequences,
};

/// Bytes of a piece of the log.
const PIECE: u32 = 1 << 20;
/// Lines that are counted before all others, so that the newest are counted whatever ends the reading.
const NEWEST: u32 = 10_000;
/// Max time to count lines in: well under the `cpu` that a call has by default.
const MAX_TIME: Duration = Duration::from_secs(3);

/// A part of a log that was counted.
#[derive(Default)]
struct Part {
    lines: u64,
    bytes: u64,
    first: Option<String>,
    last: Option<String>,
    /// True if the last line begins as the text of a kubelet that has no log.
    is_no_log: bool,
    /// Reason for its end; None if it ends where the newer part begins.
    end: Option<LogEnd>,
    /// True if counting took too long.
    is_slow: bool,
}

/// Counts lines.
struct Counter {
    digest: Digest,
    spent: Duration,
}

impl Counter {
    fn new() -> Self {
        Self { digest: Digest::default(), spent: Duration::ZERO }
    }

    /// Counts the lines of a log up to a timestamp.
    fn count(&mut self, log: &LogReader, until: Option<&str>) -> Result<Part, ReadError> {
        let mut part = Part::default();
        loop {
            let LogChunk { text, end, .. } = log.next(PIECE)?;
            let began = Instant::now();
            for line in text.lines() {
                let (time, message) = split(line);
                if until.is_some_and(|until| !time.is_empty() && time >= until) {
                    return Ok(part);
                }
                part.lines += 1;
                part.bytes += message.len() as u64 + 1;
                if !time.is_empty() {
                    part.first.get_or_insert_with(|| time.to_owned());
                    part.last = Some(time.to_owned());
                }
                part.is_no_log = message.starts_with(one::NO_LOG);
                self.digest.add(time, &plain(message));
            }
            self.spent += began.elapsed();
            part.is_slow = self.spent > MAX_TIME && end.is_none();
            if end.is_some() || part.is_slow {
                part.end = end.or(Some(LogEnd::TimeLimit));
                return Ok(part);
            }
        }
    }
}

/// The kubelet's timestamp, and the line.
fn split(line: &str) -> (&str, &str) {
    let stamped = line.split_once(' ').filter(|(time, _)| {
        time.len() <= 35
            && time.as_bytes().get(10) == Some(&b'T')
            && time.as_bytes().first().is_some_and(u8::is_ascii_digit)
    });
    stamped.unwrap_or(("", line))
}

/// A line without colours, which would else be a part of its shape.
fn plain(line: &str) -> Cow<'_, str> {
    if line.contains('\u{1b}') { without_sequences(line).into() } else { line.into() }
}

impl Part {
    /// True if it is the text of a kubelet that has no log.
    fn is_gone(&self) -> bool {
        self.is_no_log && self.lines == 1 && self.bytes <= one::MAX_NO_LOG
    }
}

/// The digest of a whole log, of its newest lines first.
pub(crate) fn of_log(mut source: LogSource, tail: Option<u32>, room: usize) -> Result<String, Error> {
    source.tail_lines = Some(tail.unwrap_or(NEWEST).min(NEWEST));
    let opened = kube_read::open_log(&source);
    let (log, note) = one::or_of_default_container(&mut source, opened, kube_read::open_log)?;
    let mut counter = Counter::new();
    let newest = counter.count(&log, None)?;
    drop(log);
    if newest.is_gone() {
        let target = Target::of(source.pod.clone());
        let log = ContainerLog::of(crate::search_of(source), note)?;
        return Ok(log.render(&target));
    }
    let is_longer = newest.lines >= u64::from(source.tail_lines.unwrap_or(NEWEST));
    let mut older = None;
    if is_longer
        && newest.end == Some(LogEnd::Whole)
        && tail.is_none_or(|tail| tail > NEWEST)
        && newest.first.is_some()
    {
        source.tail_lines = tail;
        older =
            Some(kube_read::open_log(&source).and_then(|log| counter.count(&log, newest.first.as_deref())));
    }
    let account =
        account(&newest, older, is_longer, source.since_seconds.is_some() || source.since_time.is_some());
    Ok(format!("{note}{}", render(counter.digest, &account, room)))
}

/// The digest of the lines that a search has found.
pub(crate) fn of_matches(log: &ContainerLog, target: &Target, room: usize) -> String {
    if log.is_gone() || log.matched() == 0 {
        return log.render(target);
    }
    let mut digest = Digest::default();
    let parts = log.oldest.iter().chain([&log.newest]);
    let mut shown = 0;
    for part in parts {
        shown += part.shown;
        for line in part.first.lines().chain(part.last.lines()) {
            let (time, message) = split(line);
            digest.add(time, &plain(message));
        }
    }
    let rest = match log.matched().saturating_sub(shown) {
        0 => String::new(),
        rest => format!("; {rest} of the matches are not counted, between the first and the last"),
    };
    let account = format!("{}; {}{rest}", log.found(), log.account());
    format!("{}{}", log.note, render(digest, &account, room))
}

/// Account of the part that was counted, and of the rest.
fn account(newest: &Part, older: Option<Result<Part, ReadError>>, is_longer: bool, since: bool) -> String {
    const ROTATED: &str = "rotated files (not in the API)";
    let extent = |part: &Part| format!("{} bytes{}", part.bytes, between(&part.first, &part.last));
    // Lines that the component itself counts are bytes of its reads.
    const OVER_BYTES: &str = "this call's `readBytes` are used up";
    let end = |part: &Part| match part.end {
        _ if part.is_slow => "counting took too long",
        Some(LogEnd::OverBytes) => OVER_BYTES,
        Some(end) => why(end),
        None => "",
    };
    let whole = |lines: u64, bytes: u64, first: &Option<String>| {
        let times = between(first, &newest.last);
        if since {
            format!("read {lines} lines, {bytes} bytes{times}; not read: {ROTATED}")
        } else {
            format!("read lines 1 to {lines}, bytes 1 to {bytes}{times}; not read: {ROTATED}")
        }
    };
    if newest.end != Some(LogEnd::Whole) {
        return format!(
            "read {} lines, {}; not read: the log goes on ({}), {ROTATED}",
            newest.lines,
            extent(newest),
            end(newest)
        );
    }
    match older {
        None if !is_longer => whole(newest.lines, newest.bytes, &newest.first),
        None => format!(
            "read the last {} lines, {}; not read: older lines, {ROTATED}",
            newest.lines,
            extent(newest)
        ),
        Some(Ok(older)) if older.end.is_none() => {
            whole(older.lines + newest.lines, older.bytes + newest.bytes, &older.first)
        }
        Some(Ok(older)) => format!(
            "read {} lines, {}, and the last {}, {}; not read: the lines between{} ({}), {ROTATED}",
            older.lines,
            extent(&older),
            newest.lines,
            extent(newest),
            between(&older.last, &newest.first),
            end(&older)
        ),
        Some(Err(error)) => format!(
            "read the last {} lines, {}; not read: older lines ({}), {ROTATED}",
            newest.lines,
            extent(newest),
            if error.reason == Reason::OverBytes { OVER_BYTES } else { crate::report::cause(&error) }
        ),
    }
}

/// The shapes that have room.
fn render(digest: Digest, account: &str, room: usize) -> String {
    let lines = digest.lines();
    let (shapes, others) = digest.finish();
    let mut answer = format!(
        "{lines} lines of {}{} shapes: erring ones first, then rare ones; <*> where their lines differ\n",
        if others.is_some() { "over " } else { "" },
        shapes.len()
    );
    let room = room.saturating_sub(account.len() + 200);
    let mut shown = 0;
    for shape in &shapes {
        let row = row(shape);
        if answer.len() + row.len() > room {
            break;
        }
        answer.push_str(&row);
        shown += 1;
    }
    let rest = shapes.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let lines: u64 = rest.iter().map(Shape::lines).sum();
        answer.push_str(&format!("[… {} shapes of {lines} lines not shown …]\n", rest.len()));
    }
    if let Some(others) = others {
        answer.push_str(&format!(
            "[{} lines of further shapes, such as: {}]\n",
            others.lines(),
            others.text()
        ));
    }
    answer.push_str(&format!("[{account}]\n"));
    answer
}

/// `12x 2026-11-24T10:00:05Z to 10:16:35Z ERROR order <*>`.
fn row(shape: &Shape) -> String {
    let time = |time: &str| (!time.is_empty()).then(|| time.to_owned());
    let times = match shape.lines() {
        1 => seconds(shape.first()),
        _ => between(&time(shape.first()), &time(shape.last())).trim_start_matches(", ").to_owned(),
    };
    format!("{}x {times} {}\n", shape.lines(), shape.text())
}

#[cfg(test)]
mod tests {
    use porthole_sdk::kube_read::LogMatches;

    use super::*;

    #[test]
    fn words_of_the_kubelet_are_no_log_and_colours_no_shape() {
        let words = "unable to retrieve container logs for containerd://4711";
        let part = |lines, bytes| Part {
            lines,
            bytes,
            is_no_log: words.starts_with(one::NO_LOG),
            ..Part::default()
        };
        assert!(part(1, words.len() as u64 + 1).is_gone());
        assert!(!part(2, 200).is_gone() && !part(1, 4096).is_gone() && !Part::default().is_gone());
        let found = LogMatches {
            first: format!("{words}\n"),
            last: String::new(),
            matched: 1,
            shown: 1,
            first_match: None,
            last_match: None,
            lines_read: 1,
            bytes_read: 60,
            first_line: None,
            last_line: None,
            long_lines: 0,
            end: LogEnd::Whole,
        };
        // A time, so that no state is read.
        let source = LogSource {
            namespace: "shop".into(),
            pod: "web".into(),
            container: None,
            previous: false,
            tail_lines: None,
            since_seconds: Some(60),
            since_time: None,
        };
        let query = crate::search_of(source);
        let log = ContainerLog { query, newest: found, oldest: None, stopped: None, note: String::new() };
        let answer = of_matches(&log, &Target::of("web".to_owned()), 1000);
        assert!(!answer.contains("shapes"), "{answer}");
        assert_eq!(plain("\u{1b}[31mERROR\u{1b}[0m a"), "ERROR a");
    }

    #[test]
    fn shapes_have_counts_and_times_and_what_has_no_room_is_counted() {
        let mut digest = Digest::default();
        for n in 0..100 {
            digest.add(&format!("2026-11-24T10:00:{:02}.5Z", n % 60), &format!("GET /{n} 200"));
        }
        digest.add("2026-11-24T10:00:07Z", "ERROR the disk is full");
        let text = render(digest, "read lines 1 to 101", 1000);
        assert_eq!(
            text,
            "101 lines of 2 shapes: erring ones first, then rare ones; <*> where their lines differ\n1x 2026-11-24T10:00:07Z ERROR the disk is full\n100x 2026-11-24T10:00:00Z to 10:00:59Z GET /<*> 200\n[read lines 1 to 101]\n"
        );
        let mut digest = Digest::default();
        digest.add("", "ERROR a");
        digest.add("", "b c");
        assert!(render(digest, "", 0).ends_with("[… 2 shapes of 2 lines not shown …]\n[]\n"));
    }
}
