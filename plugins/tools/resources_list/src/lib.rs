//! resources_list: objects of any kind, as the API server's own table.

use porthole_sdk::prelude::*;

list_arguments! {
    /// Any form: Deployment, deploy, deployments.apps
    kind: String,
    /// Default: all namespaces
    namespace: Option<String>,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
}

tool! {
    name: "resources_list",
    title: "List objects of any kind",
    summary: "Objects of any kind, custom ones too, as kubectl get shows them. Pods, deployments, nodes and events have richer tools of their own.",
    reads: [list "*" "*"],
}

fn run(arguments: Arguments) -> Answer {
    let kind = KindRef { kind: arguments.kind.clone(), api_version: arguments.api_version.clone() };
    // `pods` is a word; `deploy`, `Ingress` and `ns` are not.
    let is_plural = |name: &str| {
        name.len() > 3 && name.ends_with('s') && name.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let noun = if is_plural(&arguments.kind) {
        arguments.kind.clone()
    } else {
        format!("{} objects", arguments.kind)
    };
    List { kind, namespace: arguments.namespace.clone(), noun }.server_table(&arguments)
}
