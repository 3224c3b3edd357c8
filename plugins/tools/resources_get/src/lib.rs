//! resources_get: one object of any kind, whole.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Any form: Deployment, deploy, deployments.apps
    kind: String,
    /// Name of the object
    name: String,
    /// Default: wherever the name is
    namespace: Option<String>,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
    /// Only these fields: spec.template.spec.containers[].image,status
    fields: Option<String>,
}

/// One object of any kind as YAML. Values of Secrets are redacted; their keys are shown. resources_describe is
/// shorter.
#[tool(title = "Get any object", reads(get_list("*": "*")))]
fn resources_get(request: Request) -> Answer {
    let Request { kind, name, namespace, api_version, fields } = request;
    let kind = KindRef { kind, api_version };
    // Ignored by the host where the kind has no namespaces.
    text(yaml(get_by_name(kind, namespace, &name, &paths(fields.as_deref()))?)?)
}
