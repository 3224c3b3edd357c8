//! find: anything by a part of what it is called, or of what it carries.

mod kinds;
mod matching;

use porthole_sdk::{prelude::*, tool};

use kinds::{KINDS, Searched};
use matching::Match;

/// Rows of an answer.
const ROWS: usize = 40;
/// Kept of the answer for the line on what was searched.
const NOTICE: usize = 600;

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
    if query.len() < 2 {
        return Err("query must have at least two letters".into());
    }
    let wanted: Vec<_> =
        KINDS.iter().filter(|kind| request.kind.as_deref().is_none_or(|name| kind.is_called(name))).collect();
    if wanted.is_empty() {
        return Err(format!(
            "{:?} is not searched; resources_list lists any kind",
            request.kind.unwrap_or_default()
        )
        .into());
    }
    let Searched { objects, unread, partly } = kinds::search(&wanted, request.namespace.as_deref());
    let mut matches: Vec<Match> =
        objects.iter().filter_map(|object| matching::find(&query, object)).collect();
    matches.sort();
    // Names first; what only carries the word is worth showing if there is no name.
    if matches.iter().any(Match::is_of_name) {
        matches.retain(Match::is_of_name);
    }
    let mut table = Table::new(["KIND", "NAMESPACE", "NAME", "STATUS", "FOUND-IN"]);
    matches.iter().take(ROWS).for_each(|found| table.row(found.cells()));
    let room = (call::output_budget() as usize).saturating_sub(NOTICE);
    let (mut text_of_it, shown) = if matches.is_empty() { (String::new(), 0) } else { table.fit(room) };
    if matches.is_empty() {
        text_of_it.push_str(&format!(
            "nothing has {:?} in its name, labels, annotations, IPs, hosts or images\n",
            request.query
        ));
    } else if shown < matches.len() {
        text_of_it
            .push_str(&format!("shown {shown} of {}; a longer query or a kind narrows it\n", matches.len()));
    }
    text_of_it.push_str(&format!("searched {} of {} kinds", wanted.len() - unread.len(), wanted.len()));
    if !unread.is_empty() {
        text_of_it.push_str(&format!("; not: {}", unread.join(", ")));
    }
    if !partly.is_empty() {
        text_of_it.push_str(&format!("; in part: {}: give a namespace", partly.join(", ")));
    }
    if matches.is_empty() {
        text_of_it.push_str("; resources_list reads any other kind");
    }
    text(text_of_it)
}
