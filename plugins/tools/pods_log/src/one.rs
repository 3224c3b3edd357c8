//! One container's log: its newest lines first, and all of it where that is asked for and allowed.

use porthole_sdk::{
    kube_read::{LogEnd, LogMatches, LogSearch, LogSource, ReadError},
    prelude::*,
};

use crate::{state, targets};

/// Lines of the searches before that of the whole log. The log is read from its beginning, so a search of all of it that
/// is cut has lost what is newest.
const NEWEST: [u32; 2] = [10_000, 100_000];
/// Bytes of these searches: long lines must not use up what is left for the others.
const NEWEST_BYTES: [u64; 2] = [16 << 20, 64 << 20];
/// Max retries with fewer lines, so that a search reaches the end of the log.
const MAX_RETRIES: usize = 4;

/// Beginning of a kubelet's text in place of the log of a container that its runtime has deleted.
pub(crate) const NO_LOG: &str = "unable to retrieve container logs for ";
/// Bytes of such a text at most: it ends with the container's id.
pub(crate) const MAX_NO_LOG: u64 = 200;

/// A log that was read.
pub(crate) struct ContainerLog {
    pub(crate) query: LogSearch,
    /// The newest lines, or the whole log.
    pub(crate) newest: LogMatches,
    /// Beginning of a log that could not be read as a whole.
    pub(crate) oldest: Option<LogMatches>,
    /// Error that ended the search before it had read all.
    pub(crate) stopped: Option<ReadError>,
    pub(crate) note: String,
}

impl ContainerLog {
    /// The log that a search finds at once.
    pub(crate) fn of(query: LogSearch, note: String) -> Result<Self, Error> {
        let newest = kube_read::search_log(&query).map_err(Error::from)?;
        Ok(Self { query, newest, oldest: None, stopped: None, note })
    }

    /// True if the newest part may begin after the log does.
    pub(crate) fn is_longer(&self) -> bool {
        let tail = self.query.source.tail_lines;
        tail.is_some_and(|tail| {
            self.newest.end == LogEnd::UntilTime || self.newest.lines_read >= u64::from(tail)
        })
    }

    /// True if the newest part was read to its end.
    pub(crate) fn is_complete(&self) -> bool {
        is_complete(&self.newest)
    }

    /// True if the kubelet has said that it has no log.
    pub(crate) fn is_gone(&self) -> bool {
        is_gone(&self.newest)
    }

    pub(crate) fn matched(&self) -> u64 {
        self.newest.matched + self.oldest.as_ref().map_or(0, |oldest| oldest.matched)
    }
}

fn is_gone(found: &LogMatches) -> bool {
    let text = if found.first.is_empty() { &found.last } else { &found.first };
    found.lines_read == 1 && found.bytes_read <= MAX_NO_LOG && text.trim_start().starts_with(NO_LOG)
}

/// The text of a log that may be that of the kubelet; without conditions, which it need not meet.
fn or_all(query: &LogSearch, found: LogMatches) -> Result<LogMatches, ReadError> {
    let is_hidden = found.lines_read == 1 && found.matched == 0 && found.bytes_read <= MAX_NO_LOG;
    if !is_hidden {
        return Ok(found);
    }
    let all = kube_read::search_log(&LogSearch { include: None, exclude: None, ..query.clone() })?;
    Ok(if is_gone(&all) { all } else { found })
}

/// True if the run after that of a search is searched as well.
fn has_next_run(query: &LogSearch, all: &[LogSearch]) -> bool {
    let of = |source: &LogSource| (source.namespace.clone(), source.pod.clone(), source.container.clone());
    let is_next = |other: &LogSearch| !other.source.previous && of(&other.source) == of(&query.source);
    query.source.previous && all.iter().any(is_next)
}

/// The log of the current run where that of the run before is gone, unless the current one is shown beside it.
fn or_current_run(
    query: &mut LogSearch,
    found: LogMatches,
    has_next_run: bool,
) -> Result<(LogMatches, String), ReadError> {
    let found = or_all(query, found)?;
    if !query.source.previous || has_next_run || !is_gone(&found) {
        return Ok((found, String::new()));
    }
    let mut current = query.clone();
    current.source.previous = false;
    let found = or_all(&current, kube_read::search_log(&current)?)?;
    if !is_gone(&found) {
        *query = current;
        return Ok((
            found,
            "(the log of the run before is gone: its node no longer has it; this is the current run)\n"
                .to_owned(),
        ));
    }
    Ok((found, String::new()))
}

fn is_complete(found: &LogMatches) -> bool {
    matches!(found.end, LogEnd::Whole | LogEnd::UntilTime)
}

/// The searches of a log, the newest part of it first: of so many last lines, with so many bytes. `tail` None: all.
fn steps(tail: Option<u32>) -> Vec<(Option<u32>, Option<u64>)> {
    let newest = NEWEST.into_iter().zip(NEWEST_BYTES).map(|(lines, bytes)| (Some(lines), Some(bytes)));
    let mut steps: Vec<_> =
        newest.filter(|(lines, _)| tail.is_none_or(|tail| lines.is_some_and(|lines| lines < tail))).collect();
    steps.push((tail, if steps.is_empty() { NEWEST_BYTES.first().copied() } else { None }));
    steps
}

/// Searches logs side by side: the newest lines of each before all of any.
pub(crate) fn read_all(queries: Vec<LogSearch>, tail: Option<u32>) -> Vec<Result<ContainerLog, Error>> {
    let steps = steps(tail);
    let mut logs = Vec::new();
    for (at, (lines, bytes)) in steps.into_iter().enumerate() {
        let with = |query: &LogSearch| {
            let mut query = query.clone();
            (query.source.tail_lines, query.read_limit) = (lines, bytes);
            query
        };
        if at == 0 {
            let queries: Vec<LogSearch> = queries.iter().map(with).collect();
            let answers = kube_read::search_logs(&queries);
            let next: Vec<bool> = queries.iter().map(|query| has_next_run(query, &queries)).collect();
            let asked = queries.into_iter().zip(next).zip(answers);
            logs = asked.map(|((query, has_next_run), answer)| begin(query, answer, has_next_run)).collect();
            continue;
        }
        let mut unread: Vec<&mut ContainerLog> = logs
            .iter_mut()
            .flatten()
            .filter(|log: &&mut ContainerLog| log.stopped.is_none() && log.is_complete() && log.is_longer())
            .collect();
        let queries: Vec<LogSearch> = unread.iter().map(|log| with(&log.query)).collect();
        if queries.is_empty() {
            break;
        }
        let answers = kube_read::search_logs(&queries);
        for ((log, query), answer) in unread.iter_mut().zip(queries).zip(answers) {
            go_on(log, query, answer);
        }
    }
    logs
}

/// Takes what a further search of a log has found.
fn go_on(log: &mut ContainerLog, query: LogSearch, answer: Result<LogMatches, ReadError>) {
    match answer {
        Ok(found) if is_complete(&found) => {
            log.newest = found;
            log.query = query;
        }
        // A part of the newest lines that does not reach the end is worth less than the shorter one that does.
        Ok(found) if query.source.tail_lines.is_none() => log.oldest = Some(found),
        Ok(_) => {}
        Err(error) => log.stopped = Some(error),
    }
}

/// Asks again where the first answer is not the last word: for a container by its name, or for fewer lines.
fn begin(
    mut query: LogSearch,
    answer: Result<LogMatches, ReadError>,
    has_next_run: bool,
) -> Result<ContainerLog, Error> {
    let mut source = query.source.clone();
    let (mut newest, note) = or_of_default_container(&mut source, answer, |source| {
        kube_read::search_log(&LogSearch { source: source.clone(), ..query.clone() })
    })?;
    query.source = source;
    let (found, gone) = or_current_run(&mut query, newest, has_next_run)?;
    newest = found;
    let note = note + &gone;
    for _ in 0..MAX_RETRIES {
        let fewer = u32::try_from(newest.lines_read / 4 * 3).unwrap_or(u32::MAX);
        let tail = query.source.tail_lines.filter(|tail| fewer > 0 && fewer < *tail);
        if newest.end != LogEnd::ReadLimit || tail.is_none() {
            break;
        }
        query.source.tail_lines = Some(fewer);
        newest = kube_read::search_log(&query)?;
    }
    Ok(ContainerLog { query, newest, oldest: None, stopped: None, note })
}

/// An answer; where it asks for a container's name and none was given, the answer of the default one, with a note that names
/// it.
pub(crate) fn or_of_default_container<T>(
    source: &mut LogSource,
    answer: Result<T, ReadError>,
    again: impl FnOnce(&LogSource) -> Result<T, ReadError>,
) -> Result<(T, String), Error> {
    match answer {
        // "a container name must be specified for pod web, choose one of: [app proxy]"
        Err(error)
            if source.container.is_none() && error.message.contains("container name must be specified") =>
        {
            let (chosen, others) = targets::default_container(source)?;
            let note = format!("(container {chosen}; the pod has also {})\n", others.join(", "));
            source.container = Some(chosen);
            Ok((again(source)?, note))
        }
        Err(error) => Err(with_hint(source, error)),
        Ok(found) => Ok((found, String::new())),
    }
}

/// The error with what there is instead.
fn with_hint(source: &LogSource, mut error: ReadError) -> Error {
    let hint = match error.reason {
        // "container "app" in pod "web" is waiting to start: PodInitializing"
        Reason::Invalid if error.message.contains("is waiting to start") => {
            state::of(&source.namespace, &source.pod, source.container.as_deref())
                .map_or(String::new(), |state| format!(".{}", state.sentence))
        }
        Reason::NotFound => suggestion(&kind("pods"), Some(&source.namespace), &source.pod),
        Reason::Invalid if source.container.is_some() && error.message.contains("is not valid for pod") => {
            let containers = targets::containers(source);
            if containers.is_empty() { String::new() } else { format!(". It has: {}", containers.join(", ")) }
        }
        Reason::Invalid if source.since_time.is_some() && error.message.contains("parsing time") => {
            "; write sinceTime like 2026-11-24T10:00:00Z".to_owned()
        }
        _ => String::new(),
    };
    error.message.push_str(&hint);
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_both_runs_none_is_shown_in_the_place_of_the_other() {
        let query = |container: &str, previous| {
            crate::search_of(LogSource {
                namespace: "shop".into(),
                pod: "web".into(),
                container: Some(container.into()),
                previous,
                tail_lines: None,
                since_seconds: None,
                since_time: None,
            })
        };
        let both = [query("app", true), query("app", false)];
        assert_eq!(both.each_ref().map(|query| has_next_run(query, &both)), [true, false]);
        let others = [query("app", true), query("proxy", false)];
        assert!(!has_next_run(&others[0], &others));
    }

    #[test]
    fn the_newest_lines_are_searched_before_all_and_few_at_once() {
        let lines = |tail| steps(tail).into_iter().map(|(lines, _)| lines).collect::<Vec<_>>();
        assert_eq!(lines(None), [Some(10_000), Some(100_000), None]);
        assert_eq!(lines(Some(100)), [Some(100)]);
        assert_eq!(lines(Some(50_000)), [Some(10_000), Some(50_000)]);
    }
}
