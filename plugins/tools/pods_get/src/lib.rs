//! pods_get: one pod, whole.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Name of the pod
    name: String,
    /// Default: wherever the name is
    namespace: Option<String>,
    /// Only these fields: status.containerStatuses,metadata.labels
    fields: Option<String>,
}

/// One pod as YAML. Why it is not well is shorter in resources_describe.
#[tool(title = "Get a pod", reads(get_list("pods")))]
fn pods_get(request: Request) -> Answer {
    let fields = paths(request.fields.as_deref());
    text(yaml(get_by_name(kind("pods"), request.namespace, &request.name, &fields)?)?)
}
