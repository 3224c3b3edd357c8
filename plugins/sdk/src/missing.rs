//! Suggestions if an object is not found: objects with a similar name, or its namespace.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Error, get, kind,
    kube_read::{self, KindRef, ListQuery, NodeQuery, NodeSource, Page, ReadError, Reason},
    list_all_of, list_pages, locate, one_line,
    pod::Metadata,
    read::parsed,
};

/// Max suggested names.
const MAX_NAMES: usize = 8;
/// Max names scanned; in a larger namespace the suggestions are incomplete.
const MAX_SCANNED: u32 = 2000;

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

/// [`get`], whose error names what the caller may have meant. The tool must declare `list` for the kind as well.
pub fn get_or_suggest<T: DeserializeOwned>(
    kind: KindRef,
    namespace: Option<String>,
    name: &str,
    fields: &[&str],
) -> Result<T, Error> {
    get(kind.clone(), namespace.clone(), name, fields)
        .map_err(|error| with_suggestion(error, &kind, namespace.as_deref(), name))
}

/// Reads a log or the statistics of a node; the error names the nodes there are. The tool must declare `get` of
/// `nodes/proxy` and `list` of `nodes`.
pub fn node_read(node: &str, source: NodeSource, tail_lines: Option<u32>) -> Result<String, Error> {
    let query = NodeQuery { node: node.to_owned(), source, tail_lines };
    kube_read::node_read(&query).map_err(|error| with_suggestion(error, &kind("nodes"), None, node))
}

/// The error, with names to try if the object was not found.
pub(crate) fn with_suggestion(
    mut error: ReadError,
    kind: &KindRef,
    namespace: Option<&str>,
    name: &str,
) -> Error {
    if error.reason == Reason::NotFound {
        error.message.push_str(&suggestion(kind, namespace, name));
    }
    Error::Read(error)
}

/// Sentences to add to "not found": the namespaces that have exactly this name, and like names here. Empty if there are
/// none, or the caller may not list.
pub fn suggestion(kind: &KindRef, namespace: Option<&str>, name: &str) -> String {
    let places = namespace.map(|namespace| elsewhere(std::slice::from_ref(kind), name, namespace));
    let places = places.unwrap_or_default();
    let here = ListQuery {
        limit: Some(MAX_SCANNED),
        ..list_all_of(kind.clone(), namespace.map(str::to_owned), &["metadata.name"])
    };
    let all = names(kube_read::list_objects(&here));
    let near: Vec<&str> = similar_names(name, &all).into_iter().map(|near| near.name.as_str()).collect();
    let mut suggestion = String::new();
    if !places.is_empty() {
        suggestion.push_str(&format!(" One of that name is in namespace {}.", places.join(", ")));
    }
    if !near.is_empty() {
        let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        suggestion.push_str(&format!(" There is{place}: {}.", near.join(", ")));
    }
    suggestion
}

/// The other namespaces that have an object of exactly this name, of any of some kinds, as far as the caller may read. The tool
/// must declare `get` and `list` of the kinds.
pub fn elsewhere(kinds: &[KindRef], name: &str, namespace: &str) -> Vec<String> {
    let locations = locate(kinds, name).unwrap_or_default();
    locations.namespaces().filter(|other| *other != namespace).take(MAX_NAMES).map(str::to_owned).collect()
}

/// Like names in all namespaces, or in those that the caller may list, each with its namespace.
pub(crate) fn near_names(kind: &KindRef, name: &str) -> String {
    let everywhere = ListQuery {
        limit: Some(MAX_SCANNED),
        ..list_all_of(kind.clone(), None, &["metadata.namespace", "metadata.name"])
    };
    let mut all: Vec<Metadata> = Vec::new();
    // What cannot be listed is not suggested.
    list_pages(
        &[everywhere],
        |_| 1,
        |_, _, page| {
            let named: Vec<Object> = parsed(page)?;
            all.extend(named.into_iter().map(|named| named.metadata));
            Ok(())
        },
    );
    let near = similar_names(name, &all).into_iter();
    near.map(|near| one_line(&format!("{}/{}", near.namespace, near.name)).into_owned())
        .collect::<Vec<_>>()
        .join(", ")
}

fn names(page: Result<Page, ReadError>) -> Vec<Metadata> {
    let named: Option<Vec<Object>> = page.ok().and_then(|page| parsed(&page.items).ok());
    named.unwrap_or_default().into_iter().map(|named| named.metadata).collect()
}

/// Names with the longest prefix in common with `name`, cut at a dash.
fn similar_names<'n>(name: &str, all: &'n [Metadata]) -> Vec<&'n Metadata> {
    let starting = |prefix: &str| -> Vec<&'n Metadata> {
        all.iter().filter(|other| other.name.starts_with(prefix)).take(MAX_NAMES).collect()
    };
    let mut prefix = name;
    loop {
        let found = starting(prefix);
        // A single letter would match half of a namespace.
        if !found.is_empty() && prefix.len() >= 2 {
            return found;
        }
        match prefix.rsplit_once('-') {
            Some((shorter, _)) => prefix = shorter,
            None => return Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_are_near() {
        let all: Vec<Metadata> = ["web-6d4f-k8pq2", "web-6d4f-x2x7q", "cart-0"]
            .map(|name| Metadata { name: name.into(), ..Metadata::default() })
            .into();
        let similar = |name| -> Vec<&str> {
            similar_names(name, &all).into_iter().map(|near| near.name.as_str()).collect()
        };
        assert_eq!(similar("web"), ["web-6d4f-k8pq2", "web-6d4f-x2x7q"]);
        assert_eq!(similar("web-6d4f-gone1").len(), 2);
        assert_eq!(similar("cart-1"), ["cart-0"]);
        assert!(similar("database").is_empty());
    }
}
