//! pods_log: what containers wrote, of one pod, of a workload, or of all pods with a label.

mod digest;
mod location;
mod one;
mod report;
mod state;
mod targets;
mod terminal;

use porthole_sdk::{
    kube_read::{LogSearch, LogSource},
    prelude::*,
    tool,
};
use targets::Target;

/// Form of an answer.
#[derive(Argument, Clone, Copy, PartialEq)]
enum Output {
    Text,
    Digest,
}

#[derive(Arguments)]
struct Request {
    /// Pod, or a workload such as deployment/web, job/x
    name: Option<String>,
    /// Default: wherever the name is
    namespace: Option<String>,
    /// Default: the default or first one; *: all
    container: Option<String>,
    /// The run before the last restart: why did it crash?
    #[argument(default = false)]
    previous: bool,
    /// The run before and this one
    #[argument(default = false)]
    both_runs: bool,
    /// Lines from the end. Default: 100; all with grep, exclude or a time
    tail: Option<u32>,
    /// Only lines of the last seconds
    since_seconds: Option<u32>,
    /// Only lines since, RFC 3339
    since_time: Option<String>,
    /// Only lines until, RFC 3339
    until_time: Option<String>,
    /// Begin lines with their time
    #[argument(default = false)]
    timestamps: bool,
    /// Instead of name: pods with these labels
    label_selector: Option<String>,
    /// Only lines that match this regular expression, in any case; (?-i) minds it
    grep: Option<String>,
    /// Only lines that do not match grep
    #[argument(default = false)]
    grep_invert: bool,
    /// Not lines that match this
    exclude: Option<String>,
    /// Matches to show, half of them the last. Default: 100
    matches: Option<u32>,
    /// Lines to show around each match
    context: Option<u32>,
    /// digest: the shapes of lines, counted, errors first
    output: Option<Output>,
    /// Answer size at most
    max_bytes: Option<u32>,
}

/// Kept of the answer for the lines around a log.
const NOTICE: u32 = 1024;
/// Default number of lines.
const DEFAULT_TAIL: u32 = 100;
/// Default number of matches.
const DEFAULT_MATCHES: u32 = 100;

/// Bytes of matches whose shapes are counted, and of a line of them: what a digest looks at.
const DIGESTED: u32 = 4 << 20;
const DIGESTED_LINE: u32 = 600;

/// A search for all lines of a log.
fn search_of(source: LogSource) -> LogSearch {
    LogSearch {
        source,
        until_time: None,
        include: None,
        exclude: None,
        ignore_case: true,
        first: u32::MAX,
        last: u32::MAX,
        context_lines: 0,
        timestamps: false,
        fold: true,
        line_bytes: None,
        limit_bytes: None,
        read_limit: None,
    }
}

impl Request {
    /// True if not all lines are meant.
    fn is_searched(&self) -> bool {
        self.grep.is_some() || self.exclude.is_some()
    }

    /// Number of lines from the end; None: all.
    fn tail(&self) -> Option<u32> {
        let times = self.since_seconds.is_some() || self.since_time.is_some() || self.until_time.is_some();
        self.tail.or((!times && !self.is_searched()).then_some(DEFAULT_TAIL))
    }

    /// The question for one container's log.
    fn query(&self, namespace: &str, target: &Target, room: u32) -> LogSearch {
        let source = LogSource {
            namespace: namespace.to_owned(),
            pod: target.pod.clone(),
            container: target.container.clone(),
            previous: target.previous,
            tail_lines: None,
            since_seconds: self.since_seconds,
            since_time: self.since_time.clone(),
        };
        let (include, exclude) = match (&self.grep, &self.exclude) {
            (Some(grep), Some(exclude)) if self.grep_invert => {
                (None, Some(format!("(?:{grep})|(?:{exclude})")))
            }
            (Some(grep), None) if self.grep_invert => (None, Some(grep.clone())),
            (grep, exclude) => (grep.clone(), exclude.clone()),
        };
        let matches = self.matches.unwrap_or(DEFAULT_MATCHES).max(1);
        let (first, last) = match (self.is_searched(), self.tail()) {
            (true, _) => (matches / 2, matches - matches / 2),
            // The end of a log is what was asked for.
            (false, Some(_)) => (0, u32::MAX),
            (false, None) => (u32::MAX, u32::MAX),
        };
        LogSearch {
            until_time: self.until_time.clone(),
            include,
            exclude,
            first,
            last,
            context_lines: self.context.unwrap_or(0),
            timestamps: self.timestamps,
            limit_bytes: Some(room),
            ..search_of(source)
        }
    }
}

/// Last lines of a container's log, of a pod, a workload or pods by label; grep searches all of it. previous=true tells
/// why a container crashed. Repeated lines are folded (… 214 times).
#[tool(
    title = "Log of pods",
    reads(
        get("pods/log"),
        get_list("pods"),
        get_list("services", "replicationcontrollers"),
        get_list("apps": "deployments", "statefulsets", "daemonsets", "replicasets"),
        get_list("batch": "jobs", "cronjobs"),
    ),
)]
fn pods_log(request: Request) -> Answer {
    let (namespace, place) = match (&request.namespace, &request.name) {
        (Some(namespace), _) => (namespace.clone(), String::new()),
        (None, None) => (call::default_namespace(), String::new()),
        (None, Some(name)) => {
            let namespace = location::of(name)?;
            let place = format!("(namespace {namespace})\n");
            (namespace, place)
        }
    };
    let host = call::output_budget();
    let budget = request.max_bytes.filter(|bytes| *bytes > 0).map_or(host, |bytes| bytes.min(host));
    let mut selection = targets::select(&request, &namespace)?;
    let mut reads = read(&request, &namespace, &selection.targets, budget);
    if let (Some(name), [Err(error)] | [Err(error), Err(_)]) = (request.name.as_deref(), reads.as_slice())
        && error.reason() == Some(Reason::NotFound)
        && !name.contains('/')
    {
        // A person says the name of the workload.
        selection = targets::select_by_beginning(&request, name, &namespace, error)?;
        reads = read(&request, &namespace, &selection.targets, budget);
    }
    let targets = selection.targets;
    if let ([_], [read]) = (targets.as_slice(), reads.as_slice()) {
        let part = read.as_ref().map_err(Clone::clone)?;
        return text(format!("{place}{}{}", selection.note, part.text));
    }
    let parts = targets.iter().zip(reads).map(|(target, read)| {
        let error = |error| Part { text: format!("ERROR: {error}\n"), has_lines: false };
        (target, read.unwrap_or_else(error))
    });
    text(place + &selection.note + &together(parts))
}

/// The part of an answer about one log.
struct Part {
    text: String,
    /// True if lines of the log are in it, and not only a sentence on why there are none.
    has_lines: bool,
}

/// The parts of an answer under their titles; a sentence that holds for several pods once.
fn together<'t>(parts: impl Iterator<Item = (&'t Target, Part)>) -> String {
    let mut groups: Vec<(Option<String>, Vec<String>, String)> = Vec::new();
    for (target, Part { text, has_lines }) in parts {
        let common = (!has_lines).then(|| text.replace(&target.pod, "…"));
        match groups.iter_mut().find(|(other, ..)| common.is_some() && *other == common) {
            Some((other, titles, shown)) => {
                titles.push(target.title());
                *shown = other.clone().unwrap_or_default();
            }
            None => groups.push((common, vec![target.title()], text)),
        }
    }
    groups.iter().map(|(_, titles, part)| format!("== {} ==\n{part}", titles.join(", "))).collect()
}

/// Reads the logs, each into its part of the answer.
fn read(request: &Request, namespace: &str, targets: &[Target], budget: u32) -> Vec<Result<Part, Error>> {
    let part = (budget.max(2 * NOTICE) - NOTICE) / u32::try_from(targets.len().max(1)).unwrap_or(1);
    // A title and an account for each where there are several.
    let part = if targets.len() > 1 { part.saturating_sub(NOTICE / 2) } else { part };
    let room = part as usize;
    let queries = targets.iter().map(|target| request.query(namespace, target, part));
    if request.output != Some(Output::Digest) {
        let logs = one::read_all(queries.collect(), request.tail());
        return logs.into_iter().zip(targets).map(|(log, target)| Ok(log?.part(target))).collect();
    }
    // All lines are meant, unless they are counted from the end.
    if !request.is_searched() && request.until_time.is_none() {
        let digests = queries.map(|query| digest::of_log(query.source, request.tail, room));
        return digests.map(|digest| Ok(Part { text: digest?, has_lines: true })).collect();
    }
    let limit = DIGESTED / u32::try_from(targets.len().max(1)).unwrap_or(1);
    let queries = queries.map(|query| LogSearch {
        first: u32::MAX,
        last: u32::MAX,
        context_lines: 0,
        timestamps: true,
        fold: false,
        line_bytes: Some(DIGESTED_LINE),
        limit_bytes: Some(limit),
        ..query
    });
    let logs = one::read_all(queries.collect(), request.tail);
    let digests = logs
        .into_iter()
        .zip(targets)
        .map(|(log, target)| log.map(|log| digest::of_matches(&log, target, room)));
    digests.map(|digest| Ok(Part { text: digest?, has_lines: true })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_of_several_pods_is_told_once() {
        let targets = ["web-1", "web-2", "web-3"].map(|pod| Target::of(pod.to_owned()));
        let part = |target: &Target| match target.pod.as_str() {
            "web-2" => Part { text: "web-2 is a line\n".to_owned(), has_lines: true },
            pod => Part { text: format!("The pod {pod} waits.\n"), has_lines: false },
        };
        let answer = together(targets.iter().map(|target| (target, part(target))));
        assert_eq!(answer, "== web-1, web-3 ==\nThe pod … waits.\n== web-2 ==\nweb-2 is a line\n");
    }
}
