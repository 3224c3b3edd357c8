//! resources_list: objects of any kind, as the API server's own table.

use porthole_sdk::prelude::*;

list_arguments! {
    /// The kind in any form: Deployment, deploy, deployments.apps.
    kind: String,
    /// Only this namespace; all namespaces where left out.
    namespace: Option<String>,
    /// API version such as apps/v1, where several groups have this kind.
    api_version: Option<String>,
}

tool! {
    name: "resources_list",
    title: "List objects of any kind",
    summary: "Objects of any kind, custom ones too, as kubectl get shows them. For pods, deployments and events use their own tools.",
    reads: [list "*" "*"],
}

fn run(arguments: Arguments) -> Answer {
    let kind = KindRef { kind: arguments.kind.clone(), api_version: arguments.api_version.clone() };
    let noun = format!("{} objects", arguments.kind);
    List { kind, namespace: arguments.namespace.clone(), noun, page: 250 }.server_table(&arguments)
}
