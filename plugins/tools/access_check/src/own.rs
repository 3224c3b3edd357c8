//! Rights of the caller's own account: the API server's answer.

use porthole_sdk::{kube_read::AccessQuery, prelude::*};

/// The question.
pub(crate) struct Question {
    pub(crate) verb: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) api_version: Option<String>,
}

/// The verdict for the account itself, and where it may if not in all namespaces.
pub(crate) fn answer(question: &Question) -> Answer {
    let Question { verb, kind, namespace, name, api_version } = question;
    let (resource, subresource) = match kind.split_once('/') {
        Some((kind, subresource)) => (kind.to_owned(), Some(subresource.to_owned())),
        None => (kind.clone(), None),
    };
    let query = |namespace: Option<String>| AccessQuery {
        verb: verb.clone(),
        kind: KindRef { kind: resource.clone(), api_version: api_version.clone() },
        subresource: subresource.clone(),
        namespace,
        name: name.clone(),
    };
    let verdict = kube_read::can_i(&query(namespace.clone()))?;
    let account =
        kube_read::whoami().map(|caller| caller.username).unwrap_or_else(|_| "this account".to_owned());
    let object = name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
    let place = match namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in all namespaces".to_owned(),
    };
    if verdict.allowed {
        let why = if verdict.reason.is_empty() { String::new() } else { format!(" {}", verdict.reason) };
        return text(format!("yes: {account} may {verb} {kind}{object} {place}.{why}\n"));
    }
    let why = match verdict.reason.as_str() {
        "" => "No Role or ClusterRole that is bound to it allows that.".to_owned(),
        reason => reason.to_owned(),
    };
    let mut output = format!("no: {account} may not {verb} {kind}{object} {place}. {why}\n");
    if namespace.is_none() {
        let may = |namespace: &String| {
            kube_read::can_i(&query(Some(namespace.clone()))).is_ok_and(|verdict| verdict.allowed)
        };
        let tried = call::namespaces();
        let allowed: Vec<String> = tried.iter().filter(|namespace| may(namespace)).cloned().collect();
        output.push_str(&match allowed.as_slice() {
            [] => format!("Nor in the namespaces tried: {}.\n", tried.join(", ")),
            some => format!("In these it may, of those tried ({}): {}.\n", tried.join(", "), some.join(", ")),
        });
    }
    text(output)
}
