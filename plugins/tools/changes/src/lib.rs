//! changes: what changed, newest first.

mod cluster;

use porthole_sdk::{prelude::*, tool};

use cluster::Reads;

#[derive(Arguments)]
struct Request {
    /// Age such as 30m or 2d, or a time. Default: 24h
    since: Option<String>,
    /// Default: all namespaces
    namespace: Option<String>,
    /// Part of a name
    name: Option<String>,
}

/// What changed, newest first: rollouts with the difference of their templates, scaling, restarts, ConfigMaps and policies
/// with who wrote them, Helm revisions, nodes, evictions, new warnings. Not Secrets or deletions.
#[tool(
    title = "Recent changes",
    reads(
        list(
            "pods",
            "nodes",
            "events",
            "services",
            "configmaps",
            "resourcequotas",
            "limitranges"
        ),
        list("apps": "deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"),
        list("autoscaling": "horizontalpodautoscalers"),
        list("networking.k8s.io": "ingresses", "networkpolicies"),
        list("helm.sh": "releases"),
    ),
)]
fn changes(request: Request) -> Answer {
    let Request { since, namespace, name } = request;
    let request = porthole_changes::Request { since, namespace, name };
    text(porthole_changes::changes(&request, &mut Reads, call::output_budget() as usize)?)
}
