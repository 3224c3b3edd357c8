//! find: anything by a part of what it is called, or of what it carries.

mod answer;
mod kinds;
mod matching;
mod search;
mod source;
#[cfg(test)]
mod tests;

use porthole_diagnosis::Kind;
use porthole_sdk::{prelude::*, tool};

use kinds::KINDS;
use search::Search;
use source::Host;

/// Bytes of a word: a name of Kubernetes has at most 253.
const MAX_QUERY: usize = 253;

#[derive(Arguments)]
struct Request {
    /// Part of a name, label, IP, host, image or annotation
    query: String,
    /// Only this kind
    kind: Option<String>,
    /// Default: all namespaces
    namespace: Option<String>,
}

/// Finds objects of any common kind in all namespaces: by a part of their name, or else of a label, annotation, IP, host or
/// image. Use it when you do not know where something is.
#[tool(
    title = "Find objects",
    reads(
        list("pods", "services", "configmaps", "persistentvolumeclaims", "nodes", "namespaces"),
        list("apps": "deployments", "statefulsets", "daemonsets", "replicasets"),
        list("batch": "jobs", "cronjobs"),
        list("networking.k8s.io": "ingresses"),
        list("autoscaling": "horizontalpodautoscalers"),
    ),
)]
fn find(request: Request) -> Answer {
    let query = request.query.trim().to_lowercase();
    if !(2..=MAX_QUERY).contains(&query.len()) {
        return Err(format!("query parameter must have 2 to {MAX_QUERY} bytes, not {}", query.len()).into());
    }
    let is_wanted = |kind: Kind| request.kind.as_deref().is_none_or(|name| Kind::parse(name) == Some(kind));
    let wanted: Vec<_> = KINDS.iter().filter(|searchable| is_wanted(searchable.kind)).collect();
    if wanted.is_empty() {
        return Err("kind parameter is none of those that are searched: resources_list lists any kind".into());
    }
    let namespace = request.namespace.as_deref();
    let found = Search::new(&query, namespace, &mut Host).run(&wanted);
    if found.coverage.unread.len() == wanted.len() {
        return Err(format!(
            "nothing could be searched: {}. Ask for a namespace that this account may read.",
            answer::unread(&found.coverage)
        )
        .into());
    }
    text(answer::text(&found, &request.query, wanted.len(), call::output_budget() as usize))
}
