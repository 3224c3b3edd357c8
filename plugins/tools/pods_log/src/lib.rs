//! pods_log: what containers wrote, of one pod, of a workload, or of all pods with a label.

mod one;
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
    /// Lines from the end. Default: 100; 10000 with grep; all with since
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
    /// Only lines that match this regular expression
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

    /// The question for one container's log.
    fn query(&self, namespace: &str, target: &Target) -> LogQuery {
        LogQuery {
            container: target.container.clone(),
            previous: self.previous,
            tail_lines: self.tail(),
            since_seconds: self.since_seconds,
            since_time: self.since_time.clone(),
            timestamps: self.timestamps,
            pattern: self.grep.clone(),
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
        get("apps": "deployments", "statefulsets", "daemonsets", "replicasets"),
        get_list("batch": "jobs"),
    ),
)]
fn pods_log(request: Request) -> Answer {
    let namespace = namespace_or_default(request.namespace.clone());
    let host = call::output_budget();
    let budget = request.max_bytes.filter(|bytes| *bytes > 0).map_or(host, |bytes| bytes.min(host));
    let selection = targets::select(&request, &namespace)?;
    let targets = selection.targets;
    let part = (budget.max(2 * NOTICE) - NOTICE) / u32::try_from(targets.len().max(1)).unwrap_or(1);
    // A title for each where there are several.
    let part = if targets.len() > 1 { part.saturating_sub(NOTICE / 2) } else { part };
    let reads: Vec<Result<ContainerLog, Error>> =
        one::read_all(targets.iter().map(|target| request.query(&namespace, target)).collect(), part);
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
