//! pods_log: what a container wrote.

use std::collections::BTreeMap;

use porthole_sdk::prelude::*;

arguments! {
    /// Name of the pod.
    name: String,
    /// Its namespace; the default namespace where left out.
    namespace: Option<String>,
    /// The container; the pod's default or first one where left out.
    container: Option<String>,
    /// The log of the container before its last restart: why did it crash?
    previous: bool = false,
    /// Lines from the end.
    tail: u32 = 100,
}

tool! {
    name: "pods_log",
    title: "Log of a pod",
    summary: "The last lines of a container's log. With previous=true those before its last restart, which tell why it crashed.",
    reads: [get "" "pods" | "pods/log"],
}

/// Kept of the answer for the line on what was left out.
const NOTICE: u32 = 512;
/// How often fewer lines are asked for, so that the end of the log fits into the answer.
const ATTEMPTS: usize = 4;

fn run(arguments: Arguments) -> Answer {
    let Arguments { name, namespace, container, previous, tail } = arguments;
    let budget = call::output_budget().saturating_sub(NOTICE);
    let mut query = LogQuery {
        container,
        previous,
        tail_lines: Some(tail),
        limit_bytes: Some(budget),
        ..log_of(namespace_or_default(namespace), name)
    };
    let mut note = String::new();
    let mut log = match kube_read::pod_log(&query) {
        // "a container name must be specified for pod web, choose one of: [app proxy]"
        Err(error)
            if query.container.is_none() && error.message.contains("container name must be specified") =>
        {
            let (chosen, others) = default_container(&query)?;
            note = format!("(container {chosen}; the pod has also {})\n", others.join(", "));
            query.container = Some(chosen);
            kube_read::pod_log(&query)?
        }
        other => other?,
    };
    for _ in 0..ATTEMPTS {
        // The end of a log is what was asked for: ask for as many of the last lines as fit.
        let fitting = u32::try_from(log.text.lines().count()).unwrap_or(u32::MAX).saturating_sub(1);
        if log.cut != Cut::ByteLimit || fitting == 0 || query.tail_lines.is_none_or(|tail| fitting >= tail) {
            break;
        }
        query.tail_lines = Some(fitting);
        log = kube_read::pod_log(&query)?;
    }
    if log.text.is_empty() {
        return text(format!(
            "{note}The pod {} in namespace {} has not logged any message yet.",
            query.pod, query.namespace
        ));
    }
    let mut answer = note + &log.text;
    let shown = query.tail_lines.unwrap_or(tail);
    match log.cut {
        Cut::ByteLimit => answer.push_str("\n[cut here: this line is longer than the answer has room for]\n"),
        Cut::TimeLimit => answer.push_str("\n[cut here: the time for this call is over; the log goes on]\n"),
        Cut::Whole if shown < tail => {
            answer.push_str(&format!(
                "[the last {shown} lines of the {tail} asked for: more do not fit into one answer]\n"
            ));
        }
        Cut::Whole => {}
    }
    text(answer)
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: String,
}

/// The container that `kubectl logs` would take, and the others.
fn default_container(query: &LogQuery) -> Result<(String, Vec<String>), String> {
    const DEFAULT: &str = "kubectl.kubernetes.io/default-container";
    let fields = ["metadata.annotations", "spec.containers[].name"];
    let pod: Pod = get(kind("pods"), Some(query.namespace.clone()), &query.pod, &fields)?;
    let names: Vec<String> = pod.spec.containers.into_iter().map(|container| container.name).collect();
    let chosen = pod
        .metadata
        .annotations
        .get(DEFAULT)
        .filter(|name| names.contains(name))
        .or(names.first())
        .cloned()
        .ok_or("the pod has no containers")?;
    let others = names.into_iter().filter(|name| *name != chosen).collect();
    Ok((chosen, others))
}
