//! resources_list: objects of any kind, as the API server's own table.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Any form: Deployment, deploy, deployments.apps
    kind: String,
    /// Default: all namespaces
    namespace: Option<String>,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
    #[argument(flatten)]
    list: ListArguments,
}

/// Objects of any kind, custom ones too, as kubectl get shows them. Pods, deployments, nodes and events have richer
/// tools of their own.
#[tool(title = "List objects of any kind", reads(list("*": "*")))]
fn resources_list(request: Request) -> Answer {
    let kind = KindRef { kind: request.kind.clone(), api_version: request.api_version.clone() };
    // `pods` is a word; `deploy`, `Ingress` and `ns` are not.
    let is_plural = |name: &str| {
        name.len() > 3 && name.ends_with('s') && name.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let noun =
        if is_plural(&request.kind) { request.kind.clone() } else { format!("{} objects", request.kind) };
    List { kind, namespace: request.namespace.clone(), noun }.server_table(&request.list)
}
