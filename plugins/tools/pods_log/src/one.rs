//! One container's log: as much of its end as there is room for, and a word on what was cut.

use porthole_sdk::{
    kube_read::{Cut, LogText, ReadError},
    prelude::*,
};

use crate::{
    state,
    targets::{self, Target},
};

/// Max retries with fewer lines, so that the end of the log fits into the answer.
const MAX_RETRIES: usize = 4;
/// Lines of the second search of a log whose end has no match; the third is of all of it.
const SEARCHED_FURTHER: u32 = 100_000;

/// A log that was read.
pub(crate) struct ContainerLog {
    log: LogText,
    query: LogQuery,
    /// Lines requested at first.
    requested: Option<u32>,
    /// The caller left to us how far back to search.
    may_search_on: bool,
    note: String,
}

/// Reads logs side by side, each into `room` bytes.
pub(crate) fn read_all(
    queries: Vec<LogQuery>,
    room: u32,
    may_search_on: bool,
) -> Vec<Result<ContainerLog, Error>> {
    let queries: Vec<LogQuery> =
        queries.into_iter().map(|query| LogQuery { limit_bytes: Some(room), ..query }).collect();
    let answers = kube_read::pod_logs(&queries);
    queries.into_iter().zip(answers).map(|(query, answer)| complete(query, answer, may_search_on)).collect()
}

/// Asks again where the first answer is not the last word: for a container by its name, for fewer lines, or for older ones.
fn complete(
    mut query: LogQuery,
    answer: Result<LogText, ReadError>,
    may_search_on: bool,
) -> Result<ContainerLog, Error> {
    let mut note = String::new();
    let mut log = match answer {
        // "a container name must be specified for pod web, choose one of: [app proxy]"
        Err(error)
            if query.container.is_none() && error.message.contains("container name must be specified") =>
        {
            let (chosen, others) = targets::default_container(&query)?;
            note = format!("(container {chosen}; the pod has also {})\n", others.join(", "));
            query.container = Some(chosen);
            kube_read::pod_log(&query)?
        }
        Err(error) => return Err(with_hint(&query, error)),
        Ok(log) => log,
    };
    let requested = query.tail_lines;
    for _ in 0..MAX_RETRIES {
        // The end of a log is what was asked for: ask for as many of the last lines as fit.
        let fitting = u32::try_from(log.text.lines().count()).unwrap_or(u32::MAX).saturating_sub(1);
        let of_the_end = query.pattern.is_none() && query.tail_lines.is_some_and(|tail| fitting < tail);
        if log.cut != Cut::ByteLimit || fitting == 0 || !of_the_end {
            break;
        }
        query.tail_lines = Some(fitting);
        log = kube_read::pod_log(&query)?;
    }
    // "None of the lines" is a wrong answer if the log goes on before them.
    while may_search_on && log.text.is_empty() && log.cut == Cut::Whole && is_longer(&log, query.tail_lines) {
        query.tail_lines = query.tail_lines.filter(|tail| *tail < SEARCHED_FURTHER).map(|_| SEARCHED_FURTHER);
        log = kube_read::pod_log(&query)?;
    }
    Ok(ContainerLog { log, query, requested, may_search_on, note })
}

/// True if the log may have lines before those that were read.
fn is_longer(log: &LogText, tail: Option<u32>) -> bool {
    tail.is_some_and(|tail| log.lines_read >= u64::from(tail))
}

/// The error with what there is instead.
fn with_hint(query: &LogQuery, mut error: ReadError) -> Error {
    let hint = match error.reason {
        Reason::NotFound => suggestion(&kind("pods"), Some(&query.namespace), &query.pod),
        Reason::Invalid if query.container.is_some() && error.message.contains("is not valid for pod") => {
            let containers = targets::containers(query);
            if containers.is_empty() { String::new() } else { format!(". It has: {}", containers.join(", ")) }
        }
        Reason::Invalid if query.since_time.is_some() && error.message.contains("parsing time") => {
            "; write sinceTime like 2026-11-24T10:00:00Z".to_owned()
        }
        _ => String::new(),
    };
    error.message.push_str(&hint);
    error.into()
}

impl ContainerLog {
    /// The log with a word on what was cut.
    pub(crate) fn render(&self, target: &Target, namespace: &str) -> String {
        let Self { log, query, requested, may_search_on, note } = self;
        let pod = &target.pod;
        if log.text.is_empty() {
            let cut = if log.cut == Cut::TimeLimit { " before the call's limit was reached" } else { "" };
            return match &query.pattern {
                Some(_) if log.lines_read > 0 => {
                    let long = if log.cut == Cut::ByteLimit { " in the first 16 KiB of a line" } else { "" };
                    format!("{note}None of the {} lines read{cut} fits grep{long}.\n", log.lines_read)
                }
                _ => format!(
                    "{note}The pod {pod} in namespace {namespace} has not logged any message yet{cut}.{}\n",
                    state::of(namespace, pod)
                ),
            };
        }
        let mut answer = format!("{note}{}", log.text);
        if !answer.ends_with('\n') {
            answer.push('\n');
        }
        let lines = log.text.lines().count();
        answer.push_str(&match (log.cut, &query.pattern, query.tail_lines) {
            (Cut::ByteLimit, _, _) if lines <= 1 => {
                "[cut here: this line is longer than the answer has room for]\n".to_owned()
            }
            (Cut::ByteLimit, Some(_), _) => format!(
                "[cut here, after {} lines read: more may match; make grep or the time narrower]\n",
                log.lines_read
            ),
            (Cut::ByteLimit, None, _) => {
                "[cut here: the answer is full and the log goes on; a later sinceTime, a smaller sinceSeconds or grep shows more]\n".to_owned()
            }
            (Cut::TimeLimit, _, _) => format!(
                "[cut here, after {} lines: the call's time or bytes are used up and the log goes on]\n",
                log.lines_read
            ),
            (Cut::Whole, Some(_), tail) if *may_search_on && is_longer(log, tail) => format!(
                "[of the last {} lines; older ones were not searched: a larger tail does]\n",
                log.lines_read
            ),
            (Cut::Whole, Some(_), _) => format!("[of {} lines read]\n", log.lines_read),
            (Cut::Whole, None, Some(shown)) if requested.is_some_and(|requested| shown < requested) => format!(
                "[the last {shown} lines of the {} asked for: more do not fit into one answer]\n",
                requested.unwrap_or(shown)
            ),
            (Cut::Whole, None, _) => String::new(),
        });
        answer
    }
}
