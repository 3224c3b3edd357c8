//! Kubelet API behind `nodes/proxy`: logs and stats summary, served from log files.
//!
//! `nodes/<node>/<name>.log` holds the log of a service or file, `nodes/<node>/stats-summary.log` the summary.

use std::collections::BTreeMap;

use crate::status::Refusal;

/// Answers a path on a node.
pub(crate) fn answer(
    node: &str,
    path: &str,
    parameters: &BTreeMap<String, String>,
    logs: &BTreeMap<String, String>,
) -> Result<String, Refusal> {
    let file = |name: &str| logs.get(&format!("nodes/{node}/{name}.log")).cloned();
    match path {
        "stats/summary" => file("stats-summary").ok_or_else(Refusal::no_such_path),
        "logs" => {
            let query =
                parameters.get("query").map(|query| query.trim_start_matches('/')).unwrap_or_default();
            let log = file(query.trim_end_matches(".log")).ok_or_else(Refusal::no_such_path)?;
            let lines =
                parameters.get("tailLines").and_then(|lines| lines.parse().ok()).unwrap_or(usize::MAX);
            let skipped = log.lines().count().saturating_sub(lines);
            Ok(log.split_inclusive('\n').skip(skipped).collect())
        }
        // A file, of which a kubelet returns all.
        path => {
            let name = path.strip_prefix("logs/").and_then(|name| name.strip_suffix(".log"));
            name.and_then(file).ok_or_else(Refusal::no_such_path)
        }
    }
}
