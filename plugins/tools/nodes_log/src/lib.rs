//! nodes_log: a log of a node itself, through its kubelet.

use porthole_sdk::{kube_read::NodeSource, node_read, prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Name of the node
    name: String,
    /// A service such as kubelet, or a file under /var/log such as /syslog
    query: String,
    /// Lines from the end
    #[argument(default = 100)]
    tail_lines: u32,
}

/// Kept of the answer for the line on what was left out.
const NOTICE: usize = 200;

/// The last lines of a service's log or a file under /var/log of a node. Needs the right nodes/proxy.
#[tool(title = "Log of a node", reads(get("nodes/proxy"), list("nodes")))]
fn nodes_log(request: Request) -> Answer {
    let Request { name, query, tail_lines } = request;
    let log = node_read(&name, NodeSource::Log(query.clone()), Some(tail_lines))?;
    if log.trim().is_empty() {
        return text(format!(
            "The node {name} has not logged any message yet or the log file is empty ({query})."
        ));
    }
    let room = (call::output_budget() as usize).saturating_sub(NOTICE);
    if log.len() <= room {
        return text(log);
    }
    let end = log.get(log.ceil_char_boundary(log.len() - room)..).unwrap_or_default();
    let whole_lines = end.split_once('\n').map_or(end, |(_, rest)| rest);
    let shown = whole_lines.lines().count();
    text(format!("[the last {shown} lines: more do not fit into one answer]\n{whole_lines}"))
}
