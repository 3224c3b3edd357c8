//! The fallback for callers that may not list a kind in all namespaces: finds those that they may, and says what is
//! left out.

use crate::{
    call,
    kube_read::{self, AccessQuery, KindRef},
};

/// The only namespace that can be read, and the notice for its list; an error if there is none or a choice.
pub(crate) fn readable_namespace(
    kind: &KindRef,
    noun: &str,
    forbidden: &str,
) -> Result<(String, String), String> {
    let tried = call::namespaces();
    let readable: Vec<&str> =
        tried.iter().map(String::as_str).filter(|namespace| may_list(kind, namespace)).collect();
    let names = tried.join(", ");
    match readable.as_slice() {
        [] => {
            Err(format!("{forbidden} Nor can {noun} be listed in the namespaces that were tried: {names}."))
        }
        [one] => {
            let notice = format!(
                "NOT ALL: this account may not list {noun} in all namespaces. Of those tried ({names}) it may in {one}; these are its {noun}."
            );
            Ok(((*one).to_owned(), notice))
        }
        several => Err(format!(
            "{forbidden} Of the namespaces tried ({names}) {noun} can be listed in {}: ask for one of them by its name (pods_list_in_namespace, or the argument namespace).",
            several.join(", ")
        )),
    }
}

fn may_list(kind: &KindRef, namespace: &str) -> bool {
    let query = AccessQuery {
        verb: "list".to_owned(),
        kind: kind.clone(),
        subresource: None,
        namespace: Some(namespace.to_owned()),
        name: None,
    };
    kube_read::can_i(&query).is_ok_and(|verdict| verdict.allowed)
}
