//! find: anything by a part of what it is called, or of what it carries.

mod kinds;
mod matching;

use porthole_diagnosis::Kind;
use porthole_sdk::{prelude::*, tool};

use kinds::{KINDS, Searched};
use matching::Match;

/// Rows of an answer.
const ROWS: usize = 40;
/// Bytes of a word: a name of Kubernetes has at most 253.
const MAX_QUERY: usize = 253;
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
    if !(2..=MAX_QUERY).contains(&query.len()) {
        return Err(format!("query parameter must have 2 to {MAX_QUERY} bytes, not {}", query.len()).into());
    }
    let is_wanted = |kind: Kind| request.kind.as_deref().is_none_or(|name| Kind::parse(name) == Some(kind));
    let wanted: Vec<_> = KINDS.iter().filter(|searchable| is_wanted(searchable.kind)).collect();
    if wanted.is_empty() {
        return Err("kind parameter is none of those that are searched: resources_list lists any kind".into());
    }
    let Searched { objects, unread, partly, namespaces } =
        kinds::search(&wanted, request.namespace.as_deref());
    if unread.len() == wanted.len() {
        return Err(format!(
            "nothing could be searched: {}. Ask for a namespace that this account may read.",
            unread.join(", ")
        )
        .into());
    }
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
        let alike = matching::alike(&query, &objects);
        if !alike.is_empty() {
            text_of_it.push_str(&format!("names like it: {}\n", alike.join(", ")));
        }
    } else if shown < matches.len() {
        text_of_it
            .push_str(&format!("shown {shown} of {}; a longer query or a kind narrows it\n", matches.len()));
    }
    text_of_it.push_str(&format!("searched {} of {} kinds", wanted.len() - unread.len(), wanted.len()));
    if !namespaces.is_empty() {
        let read = namespaces.into_iter().collect::<Vec<_>>().join(", ");
        text_of_it.push_str(&format!("; this account may not list all namespaces: only {read}"));
    }
    if !unread.is_empty() {
        text_of_it.push_str(&format!("; not: {}", unread.join(", ")));
    }
    if !partly.is_empty() {
        text_of_it.push_str(&format!("; in part: {}: give a namespace", partly.join(", ")));
    }
    if matches.is_empty() {
        text_of_it.push_str("; of pods only name, IP and node; resources_list reads any other kind");
    }
    text(text_of_it)
}
