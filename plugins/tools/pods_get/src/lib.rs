//! pods_get: one pod, whole.

use porthole_sdk::prelude::*;

arguments! {
    /// Name of the pod
    name: String,
    /// Default: the default namespace
    namespace: Option<String>,
    /// Only these fields: status.containerStatuses,metadata.labels
    fields: Option<String>,
}

tool! {
    name: "pods_get",
    title: "Get a pod",
    summary: "One pod as YAML. Why it is not well is shorter in resources_describe.",
    reads: [get | list "" "pods"],
}

fn run(arguments: Arguments) -> Answer {
    let namespace = namespace_or_default(arguments.namespace);
    let fields = paths(arguments.fields.as_deref());
    text(yaml(get_or_suggest(kind("pods"), Some(namespace), &arguments.name, &fields)?)?)
}
