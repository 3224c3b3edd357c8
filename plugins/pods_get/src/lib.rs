//! pods_get: one pod, whole.

use porthole_sdk::prelude::*;

arguments! {
    /// Name of the pod.
    name: String,
    /// Its namespace; the default namespace where left out.
    namespace: Option<String>,
}

tool! {
    name: "pods_get",
    title: "Get a pod",
    summary: "One pod as YAML: spec, conditions, container states with exit codes and reasons (OOMKilled, ImagePullBackOff).",
    reads: [get "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    let namespace = namespace_or_default(arguments.namespace);
    let pod: Value = get(kind("pods"), Some(namespace), &arguments.name, &[])?;
    text(yaml(pod)?)
}
