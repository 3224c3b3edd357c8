//! nodes_stats_summary: what a node's kubelet measures, reduced to what people ask it for.

use porthole_sdk::{
    kube_read::NodeSource,
    node_read,
    prelude::*,
    quantity::{millicores, readable},
    tool,
};

#[derive(Arguments)]
struct Request {
    /// Name of the node
    name: String,
    /// Only pods of this namespace
    namespace: Option<String>,
    /// Pods at most, those with the most memory first
    #[argument(default = 20)]
    limit: u32,
}

#[derive(Deserialize)]
struct Summary {
    node: Node,
    #[serde(default)]
    pods: Vec<Pod>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Node {
    node_name: String,
    cpu: Cpu,
    memory: Memory,
    fs: Disk,
    runtime: Runtime,
    network: Network,
    rlimit: Processes,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Cpu {
    usage_nano_cores: f64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Memory {
    usage_bytes: f64,
    working_set_bytes: f64,
    available_bytes: f64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Disk {
    used_bytes: f64,
    capacity_bytes: f64,
    inodes_free: f64,
    inodes: f64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Runtime {
    image_fs: Disk,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Network {
    rx_bytes: f64,
    tx_bytes: f64,
    rx_errors: f64,
    tx_errors: f64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Processes {
    maxpid: f64,
    curproc: f64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Pod {
    pod_ref: Reference,
    cpu: Cpu,
    memory: Memory,
    #[serde(rename = "ephemeral-storage")]
    storage: Disk,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    name: String,
    namespace: String,
}

const NANO: f64 = 1e9;

impl Disk {
    fn render(&self) -> String {
        if self.capacity_bytes <= 0.0 {
            return "not measured".to_owned();
        }
        let part = (100.0 * self.used_bytes / self.capacity_bytes).round();
        let inodes = if self.inodes > 0.0 {
            format!(", {}% of inodes free", (100.0 * self.inodes_free / self.inodes).round())
        } else {
            String::new()
        };
        format!("{} of {} used ({part}%){inodes}", readable(self.used_bytes), readable(self.capacity_bytes))
    }
}

#[tool(
    title = "Statistics of a node",
    summary = "What a node's kubelet measures now: CPU, memory, disks, network, and its pods by memory. Works \
               without metrics-server. Needs the right nodes/proxy.",
    reads(get("nodes/proxy"), list("nodes"))
)]
fn nodes_stats_summary(request: Request) -> Answer {
    let Request { name, namespace, limit } = request;
    let json = node_read(&name, NodeSource::StatsSummary, None)?;
    let Summary { node, mut pods } = parsed(&json)?;
    let Node { node_name, cpu, memory, fs, runtime, network, rlimit } = &node;
    let mut output = format!(
        "node {node_name}\ncpu: {} used\nmemory: {} working set, {} used, {} available\ndisk: {}\nimages' disk: {}\n",
        millicores(cpu.usage_nano_cores / NANO),
        readable(memory.working_set_bytes),
        readable(memory.usage_bytes),
        readable(memory.available_bytes),
        fs.render(),
        runtime.image_fs.render(),
    );
    output.push_str(&format!(
        "network since its start: {} in, {} out, {} errors\n",
        readable(network.rx_bytes),
        readable(network.tx_bytes),
        network.rx_errors + network.tx_errors
    ));
    if rlimit.maxpid > 0.0 {
        output.push_str(&format!("processes: {} of {}\n", rlimit.curproc, rlimit.maxpid));
    }
    pods.retain(|pod| namespace.as_ref().is_none_or(|namespace| pod.pod_ref.namespace == *namespace));
    pods.sort_by(|a, b| b.memory.working_set_bytes.total_cmp(&a.memory.working_set_bytes));
    let all = pods.len();
    let mut table = Table::new(["NAMESPACE", "POD", "CPU(cores)", "MEMORY(bytes)", "DISK(bytes)"]);
    for pod in pods.iter().take(limit as usize) {
        table.row([
            pod.pod_ref.namespace.clone(),
            pod.pod_ref.name.clone(),
            millicores(pod.cpu.usage_nano_cores / NANO),
            readable(pod.memory.working_set_bytes),
            readable(pod.storage.used_bytes),
        ]);
    }
    let (rows, shown) = table.fit((call::output_budget() as usize).saturating_sub(output.len() + 100));
    output.push_str(&format!("{all} pods\n"));
    if all > 0 {
        output.push_str(&rows);
    }
    if shown < all {
        output.push_str(&format!(
            "shown {shown} of {all} with the most memory; narrow with namespace, or raise limit\n"
        ));
    }
    text(output)
}
