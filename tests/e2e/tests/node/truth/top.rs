//! Usage of containers and nodes beside `kubectl top`, of the same objects of metrics-server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Rows, STEADY, Stage, mebibytes, of_kubectl, of_tool};
use crate::until;

/// Use of a container or a node: cores in billionths, memory in bytes.
#[derive(Debug, Clone, PartialEq)]
struct Usage {
    /// Namespace, pod and container, or the node alone.
    name: Vec<String>,
    cpu: u64,
    memory: u64,
    /// Time of the measurement.
    timestamp: String,
}

/// A whole number with one of these units.
fn number(quantity: &str, units: &[(&str, u64)]) -> u64 {
    let known = units.iter().find_map(|(unit, factor)| Some((quantity.strip_suffix(unit)?, factor)));
    let parsed = known.and_then(|(number, factor)| Some(number.parse::<u64>().ok()? * factor));
    parsed.unwrap_or_else(|| panic!("{quantity} has none of the units of metrics-server"))
}

impl Usage {
    fn of(name: Vec<&Value>, usage: &Value, object: &Value) -> Self {
        let quantity = |what: &str| usage[what].as_str().unwrap();
        Self {
            name: name.iter().map(|part| part.as_str().unwrap().to_owned()).collect(),
            cpu: number(quantity("cpu"), &[("n", 1), ("u", 1000), ("m", 1_000_000), ("", 1_000_000_000)]),
            memory: number(quantity("memory"), &[("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("", 1)]),
            timestamp: object["timestamp"].as_str().unwrap().to_owned(),
        }
    }

    /// All of the metrics API below a path.
    fn read(stage: &Stage, path: &str) -> Result<Vec<Self>, String> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/{path}");
        // The API server answers 503 while metrics-server is slow.
        let list = stage.node.kubectl(&["get", "--raw", &path]).map_err(|error| format!("{error:#}"))?;
        let list: Value = serde_json::from_str(&list).unwrap();
        let mut all = Vec::new();
        for object in list["items"].as_array().unwrap() {
            let metadata = &object["metadata"];
            match object["containers"].as_array() {
                Some(containers) => all.extend(containers.iter().map(|container| {
                    let name = vec![&metadata["namespace"], &metadata["name"], &container["name"]];
                    Self::of(name, &container["usage"], object)
                })),
                None => all.push(Self::of(vec![&metadata["name"]], &object["usage"], object)),
            }
        }
        Ok(all)
    }
}

/// Thousandths of a core, as every reader of metrics rounds them: up.
fn millicores(nanocores: u64) -> String {
    format!("{}m", nanocores.div_ceil(1_000_000))
}

/// Differences between a size that the tool shows, the bytes that it is, and the MiB of kubectl, which cuts off.
fn sizes(tool: &str, bytes: u64, kubectl: &str) -> Option<String> {
    let exact = bytes as f64 / 1_048_576.0;
    // Two decimals below ten of a unit, and one above.
    let is_close = (mebibytes(tool) - exact).abs() <= exact * 0.005;
    let is_cut = kubectl == format!("{}Mi", bytes >> 20);
    (!is_close || !is_cut).then(|| format!("{tool}, kubectl {kubectl}, of {bytes} bytes"))
}

/// Cells of the rows under these titles.
fn names(rows: &Rows, titles: &[&str]) -> Vec<Vec<String>> {
    let cell = |row: &BTreeMap<String, String>, title: &&str| row.get(*title).cloned().unwrap_or_default();
    rows.iter().map(|row| titles.iter().map(|title| cell(row, title)).collect()).collect()
}

/// Differences between rows of the tool, those of kubectl, and what was measured, in the order of the tool's.
fn row_differences(
    tool: &Rows,
    kubectl: &Rows,
    measured: &[Usage],
    titles: &[&str],
    also: &[&str],
    by: fn(&Usage) -> u64,
) -> Vec<String> {
    let mut found = Vec::new();
    let set = |rows: &Rows| names(rows, titles).into_iter().collect::<BTreeSet<_>>();
    let all: BTreeSet<Vec<String>> = measured.iter().map(|usage| usage.name.clone()).collect();
    if set(tool) != all || set(kubectl) != all || tool.len() != all.len() || kubectl.len() != all.len() {
        found.push(format!("rows: {:?}\nkubectl: {:?}\nmeasured: {all:?}", set(tool), set(kubectl)));
        return found;
    }
    let mut last = u64::MAX;
    for (row, name) in tool.iter().zip(names(tool, titles)) {
        let usage = measured.iter().find(|usage| usage.name == name).unwrap();
        let at = names(kubectl, titles).iter().position(|other| *other == name).unwrap();
        let other = &kubectl[at];
        if by(usage) > last {
            found.push(format!("{name:?} is below a row with less"));
        }
        last = by(usage);
        if row["CPU(cores)"] != millicores(usage.cpu) || row["CPU(cores)"] != other["CPU(cores)"] {
            found.push(format!("{name:?}: {row:?}, kubectl {other:?}, of {} nanocores", usage.cpu));
        }
        let sizes = sizes(&row["MEMORY(bytes)"], usage.memory, &other["MEMORY(bytes)"]);
        found.extend(sizes.map(|sizes| format!("{name:?}: {sizes}")));
        found.extend(
            also.iter()
                .filter(|title| row[**title] != other[**title])
                .map(|title| format!("{name:?} {title}: {row:?}, kubectl {other:?}")),
        );
    }
    found
}

fn by_cpu(usage: &Usage) -> u64 {
    usage.cpu
}

fn by_memory(usage: &Usage) -> u64 {
    usage.memory
}

/// Waits until the tool and kubectl were asked between two reads of the same measurements, and agree.
async fn agree(
    stage: &Stage,
    path: &str,
    tool: (&str, Value),
    kubectl: &str,
    differences: impl Fn(&str, &str, &[Usage]) -> Vec<String>,
) {
    until(&format!("{} {} and kubectl top agree", tool.0, tool.1), STEADY, async || {
        let before = Usage::read(stage, path)?;
        let answer = stage.call(tool.0, tool.1.clone()).await;
        let table = stage.node.kubectl(&kubectl.split(' ').collect::<Vec<_>>());
        // kubectl fails while metrics-server has none of a new pod.
        let table = table.map_err(|error| format!("{error:#}"))?;
        if Usage::read(stage, path)? != before {
            return Err("it was measured anew meanwhile".to_owned());
        }
        let found = differences(&answer, &table, &before);
        if found.is_empty() { Ok(()) } else { Err(format!("{}\n{answer}\n{table}", found.join("\n"))) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_use_is_what_kubectl_top_shows_highest_first() {
    let stage = &Stage::get().await;
    for (sort, by) in [("cpu", by_cpu as fn(&Usage) -> u64), ("memory", by_memory)] {
        let command = format!("top nodes --sort-by={sort}");
        let tool = ("nodes_top", json!({"sortBy": sort}));
        agree(stage, "nodes", tool, &command, |answer, table, measured| {
            let (rows, others) = (of_tool(answer), of_kubectl(table));
            if measured.len() != 2 {
                return vec![format!("both nodes are measured: {measured:?}")];
            }
            let mut found =
                row_differences(&rows, &others, measured, &["NAME"], &["CPU(%)", "MEMORY(%)"], by);
            // Equal cells may be of either node.
            let title = if sort == "cpu" { "CPU(cores)" } else { "MEMORY(%)" };
            if names(&rows, &[title]) != names(&others, &[title]) {
                found.push("another order".to_owned());
            }
            found
        })
        .await;
    }
}

/// The answer's table, and what its last line says of the sums.
fn with_total(answer: &str) -> (Rows, Vec<&str>) {
    let (table, total) = answer.trim_end().rsplit_once("\ntotal: ").unwrap_or((answer, ""));
    (of_tool(table), total.split(' ').collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_containers_use_is_what_kubectl_top_shows_with_the_sums() {
    let stage = &Stage::get().await;
    let of = |more: Value| {
        let mut arguments = more;
        arguments["namespace"] = "truth".into();
        arguments
    };
    let selected = "labelSelector=app%3Drotated";
    for (arguments, path, place, by) in [
        (of(json!({})), "namespaces/truth/pods", "-n truth", by_cpu as fn(&Usage) -> u64),
        (of(json!({"sortBy": "memory"})), "namespaces/truth/pods", "-n truth", by_memory),
        (json!({}), "pods", "-A", by_cpu),
        (json!({"labelSelector": "app=rotated"}), &format!("pods?{selected}"), "-A -l app=rotated", by_cpu),
        (
            json!({"name": "sidecar"}),
            "namespaces/truth/pods?fieldSelector=metadata.name%3Dsidecar",
            "-n truth --field-selector=metadata.name=sidecar",
            by_cpu,
        ),
    ] {
        let is_of_all = place.starts_with("-A");
        let command = format!("top pods {place} --containers --sum");
        agree(stage, path, ("pods_top", arguments.clone()), &command, |answer, table, measured| {
            let (rows, total) = with_total(answer);
            let mut others = of_kubectl(table);
            // A rule of underscores, and the sums.
            let sums = others.pop().unwrap_or_default();
            others.pop();
            if !is_of_all {
                others
                    .iter_mut()
                    .for_each(|row| drop(row.insert("NAMESPACE".to_owned(), "truth".to_owned())));
            }
            let containers: BTreeSet<&str> = measured
                .iter()
                .filter(|usage| usage.name[1] == "sidecar")
                .map(|usage| usage.name[2].as_str())
                .collect();
            if place != "-A -l app=rotated" && containers != BTreeSet::from(["app", "beside"]) {
                return vec![format!("both containers of a pod are measured: {containers:?}")];
            }
            let mut found = row_differences(&rows, &others, measured, &["NAMESPACE", "POD", "NAME"], &[], by);
            let cpu: u64 = measured.iter().map(by_cpu).sum();
            let memory: u64 = measured.iter().map(by_memory).sum();
            let [cores, size] = total[..] else { return vec![format!("no total: {answer}")] };
            if cores != millicores(cpu) || sums.get("CPU(cores)").map(String::as_str) != Some(cores) {
                found.push(format!("sum of CPU: {cores}, kubectl {sums:?}, of {cpu} nanocores"));
            }
            let of_kubectl = sums.get("MEMORY(bytes)").cloned().unwrap_or_default();
            found.extend(sizes(size, memory, &of_kubectl));
            found
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_shows_the_highest_and_the_sums_of_all() {
    let stage = &Stage::get().await;
    let arguments = json!({"namespace": "truth", "sortBy": "memory", "limit": 2});
    agree(
        stage,
        "namespaces/truth/pods",
        ("pods_top", arguments),
        "top pods -n truth",
        |answer, _, measured| {
            let (rows, total) = with_total(answer);
            let mut highest: Vec<&Usage> = measured.iter().collect();
            highest.sort_by_key(|usage| std::cmp::Reverse(usage.memory));
            let expected: Vec<Vec<String>> = highest.iter().take(2).map(|usage| usage.name.clone()).collect();
            let shown: Vec<Vec<String>> =
                names(&rows, &["NAMESPACE", "POD", "NAME"]).into_iter().take(2).collect();
            let notice = format!("2 containers with the highest memory shown of {};", measured.len());
            let cpu: u64 = measured.iter().map(by_cpu).sum();
            if shown == expected
                && measured.len() > 2
                && answer.contains(&notice)
                && total[0] == millicores(cpu)
            {
                Vec::new()
            } else {
                vec![format!("{expected:?} of {measured:?}")]
            }
        },
    )
    .await;
}
