//! resources_get: one object of any kind, whole.

use porthole_sdk::prelude::*;

arguments! {
    /// The kind in any form: Deployment, deploy, deployments.apps.
    kind: String,
    /// Name of the object.
    name: String,
    /// Its namespace; the default namespace where left out. Not for cluster-scoped kinds.
    namespace: Option<String>,
    /// API version such as apps/v1, where several groups have this kind.
    api_version: Option<String>,
}

tool! {
    name: "resources_get",
    title: "Get any object",
    summary: "One object of any kind as YAML. Values of Secrets are redacted; their keys are shown.",
    reads: [get "*" "*"],
}

fn run(arguments: Arguments) -> Answer {
    let Arguments { kind, name, namespace, api_version } = arguments;
    let kind = KindRef { kind, api_version };
    // Ignored by the host where the kind has no namespaces.
    let object: Value = get(kind, Some(namespace_or_default(namespace)), &name, &[])?;
    text(yaml(object)?)
}
