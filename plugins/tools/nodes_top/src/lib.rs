//! nodes_top: what the nodes use now.

use std::collections::{BTreeMap, BTreeSet};

use porthole_sdk::{
    TopArguments,
    prelude::*,
    quantity::{millicores, parse, readable, thousandths},
    tool,
};

/// Cells of a node without metrics, as `kubectl top` writes them.
const UNKNOWN: &str = "<unknown>";

#[derive(Arguments)]
struct Request {
    /// Only this node.
    name: Option<String>,
    #[argument(flatten)]
    top: TopArguments,
}

#[derive(Deserialize)]
struct Usage {
    metadata: Metadata,
    #[serde(default)]
    usage: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    allocatable: BTreeMap<String, String>,
}

/// CPU and memory that each node uses now, and its part of what it can give. Needs metrics-server in the cluster.
#[tool(title = "What nodes use", reads(list("metrics.k8s.io": "nodes"), list("nodes")))]
fn nodes_top(request: Request) -> Answer {
    let Request { name, top } = request;
    let narrowed = |fields: &[&str]| top.narrow(list_all_of(kind("nodes"), None, fields), name.as_deref());
    let mut usage = narrowed(&["metadata.name", "usage"]);
    usage.kind.api_version = Some("metrics.k8s.io/v1beta1".to_owned());
    let nodes = narrowed(&["metadata.name", "status.allocatable"]);
    let mut answers = kube_read::list_all(&[usage, nodes]).into_iter();
    let usage = answers.next().ok_or("no answer")?.map_err(porthole_sdk::metrics_error)?;
    let usage: Vec<Usage> = serde_json::from_str(&usage.items).map_err(|error| error.to_string())?;
    // Without the right to list nodes, the parts are left out.
    let nodes = answers.next().and_then(Result::ok).map(|page| page.items).unwrap_or_else(|| "[]".to_owned());
    let nodes: Vec<Node> = serde_json::from_str(&nodes).map_err(|error| error.to_string())?;
    if usage.is_empty() {
        return text("No metrics of such nodes yet; they come a minute after a node has started.");
    }
    let allocatable: BTreeMap<&str, &Status> =
        nodes.iter().map(|node| (node.metadata.name.as_str(), &node.status)).collect();
    let mut rows: Vec<(f64, f64, Vec<String>)> = usage
        .iter()
        .map(|node| {
            let name = &node.metadata.name;
            let used = |what: &str| node.usage.get(what).and_then(|quantity| parse(quantity)).unwrap_or(0.0);
            let part = |what: &str, used: f64| {
                let all = parse(allocatable.get(name.as_str())?.allocatable.get(what)?)?;
                // Of whole thousandths and cut off, as `kubectl top` does: its figures are what this is compared with.
                (all > 0.0).then(|| format!("{}%", (100.0 * used / all).floor()))
            };
            let cells = vec![
                name.clone(),
                millicores(used("cpu")),
                part("cpu", thousandths(used("cpu")) / 1000.0).unwrap_or_default(),
                readable(used("memory")),
                part("memory", used("memory")).unwrap_or_default(),
            ];
            (used("cpu"), used("memory"), cells)
        })
        .collect();
    let measured: BTreeSet<&str> = usage.iter().map(|node| node.metadata.name.as_str()).collect();
    let others =
        nodes.iter().map(|node| &node.metadata.name).filter(|name| !measured.contains(name.as_str()));
    // Below all others: a kubelet that does not answer is no reason to leave its node out.
    rows.extend(others.map(|name| (-1.0, -1.0, [vec![name.clone()], vec![UNKNOWN.to_owned(); 4]].concat())));
    let header = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"];
    text(top.table(header, rows, "nodes", "name or labelSelector"))
}
