//! pods_log: what containers wrote, of one pod, of a workload, or of all pods with a label.

mod one;
mod state;
mod targets;

use one::ContainerLog;
use porthole_sdk::{prelude::*, tool};
use targets::Target;

#[derive(Arguments)]
struct Request {
    /// Pod, or a workload such as deployment/web, job/x
    name: Option<String>,
    /// Default: the default namespace
    namespace: Option<String>,
    /// Default: the default or first one; *: all
    container: Option<String>,
    /// The run before the last restart: why did it crash?
    #[argument(default = false)]
    previous: bool,
    /// Lines from the end. Default: 100; all with since; with grep as many as it takes to find one
    tail: Option<u32>,
    /// Only lines of the last seconds
    since_seconds: Option<u32>,
    /// Only lines since, RFC 3339
    since_time: Option<String>,
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
    /// Lines to show around each match
    context: Option<u32>,
    /// Answer size at most
    max_bytes: Option<u32>,
}

/// Kept of the answer for the lines around a log.
const NOTICE: u32 = 512;
/// Default number of lines.
const DEFAULT_TAIL: u32 = 100;
/// With a pattern: far enough back for what happened today, and read in a second.
const DEFAULT_TAIL_SEARCHED: u32 = 10_000;

impl Request {
    fn tail(&self) -> Option<u32> {
        let since = self.since_seconds.is_some() || self.since_time.is_some();
        match (&self.grep, since) {
            _ if self.tail.is_some() => self.tail,
            (_, true) => None,
            (Some(_), false) => Some(DEFAULT_TAIL_SEARCHED),
            (None, false) => Some(DEFAULT_TAIL),
        }
    }

    /// True if a search that finds nothing goes on behind [`DEFAULT_TAIL_SEARCHED`].
    fn may_search_on(&self) -> bool {
        self.grep.is_some()
            && self.tail.is_none()
            && self.since_seconds.is_none()
            && self.since_time.is_none()
    }

    /// The question for one container's log.
    fn query(&self, namespace: &str, target: &Target) -> LogQuery {
        LogQuery {
            container: target.container.clone(),
            previous: self.previous,
            tail_lines: self.tail(),
            since_seconds: self.since_seconds,
            since_time: self.since_time.clone(),
            timestamps: self.timestamps,
            pattern: self.grep.as_ref().map(|grep| format!("(?i){grep}")),
            invert: self.grep_invert,
            context_lines: self.context.unwrap_or(0),
            fold: true,
            ..log_of(namespace.to_owned(), target.pod.clone())
        }
    }
}

/// Last lines of a container's log, of a pod, a workload or pods by label. previous=true tells why a container
/// crashed. Repeated lines are folded (… 214 times).
#[tool(
    title = "Log of pods",
    reads(
        get("pods/log"),
        get_list("pods"),
        get("services", "replicationcontrollers"),
        get_list("apps": "deployments", "statefulsets", "daemonsets"),
        get("apps": "replicasets"),
        get_list("batch": "jobs"),
    ),
)]
fn pods_log(request: Request) -> Answer {
    let namespace = namespace_or_default(request.namespace.clone());
    let host = call::output_budget();
    let budget = request.max_bytes.filter(|bytes| *bytes > 0).map_or(host, |bytes| bytes.min(host));
    let mut selection = targets::select(&request, &namespace)?;
    let mut reads = read(&request, &namespace, &selection.targets, budget);
    if let (Some(name), [Err(error)]) = (request.name.as_deref(), reads.as_slice())
        && error.reason() == Some(Reason::NotFound)
        && !name.contains('/')
    {
        // A person says the name of the workload.
        selection = targets::select_by_beginning(&request, name, &namespace, error)?;
        reads = read(&request, &namespace, &selection.targets, budget);
    }
    let targets = selection.targets;
    if let ([target], [read]) = (targets.as_slice(), reads.as_slice()) {
        let read = read.as_ref().map_err(Clone::clone)?;
        return text(format!("{}{}", selection.note, read.render(target, &namespace)));
    }
    let mut answer = selection.note;
    for (target, read) in targets.iter().zip(&reads) {
        answer.push_str(&format!("== {} ==\n", target.title()));
        match read {
            Ok(read) => answer.push_str(&read.render(target, &namespace)),
            Err(error) => answer.push_str(&format!("ERROR: {error}\n")),
        }
    }
    text(answer)
}

/// Reads the logs side by side, each into its part of the answer.
fn read(
    request: &Request,
    namespace: &str,
    targets: &[Target],
    budget: u32,
) -> Vec<Result<ContainerLog, Error>> {
    let part = (budget.max(2 * NOTICE) - NOTICE) / u32::try_from(targets.len().max(1)).unwrap_or(1);
    // A title for each where there are several.
    let part = if targets.len() > 1 { part.saturating_sub(NOTICE / 2) } else { part };
    let queries = targets.iter().map(|target| request.query(namespace, target)).collect();
    one::read_all(queries, part, request.may_search_on())
}
