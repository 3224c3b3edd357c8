//! access_check: what this account may do, or another subject, and why.

mod grants;
mod own;
mod resource;
mod subject;
mod verdict;

use porthole_sdk::{prelude::*, tool};

use grants::Grants;
use subject::Subject;

#[derive(Arguments)]
struct Request {
    /// get, list, create, delete…
    verb: Option<String>,
    /// Any form: pods, deploy, pods/log
    kind: Option<String>,
    /// Default: all namespaces
    namespace: Option<String>,
    /// Only this object
    name: Option<String>,
    /// e.g. apps/v1, only where kinds share a name
    api_version: Option<String>,
    /// Ask about ServiceAccount ns/name, user or group; all without verb
    subject: Option<String>,
}

/// Whether the account may do something (kubectl auth can-i), and which binding allows it; of a subject also all that it
/// may. It only asks.
#[tool(
    title = "May this account?",
    reads(
        get_list("rbac.authorization.k8s.io": "roles", "rolebindings", "clusterroles", "clusterrolebindings")
    )
)]
fn access_check(request: Request) -> Answer {
    let required =
        |name: &str, problem: &str| Error::Argument { name: name.to_owned(), problem: problem.to_owned() };
    let verb = || required("verb", "required: get, list, create, delete…");
    let kind = || required("kind", "required: Any form: pods, deploy, pods/log");
    let Some(subject) = &request.subject else {
        let asked = own::Question {
            verb: request.verb.ok_or_else(verb)?,
            kind: request.kind.ok_or_else(kind)?,
            namespace: request.namespace,
            name: request.name,
            api_version: request.api_version,
        };
        return own::answer(&asked);
    };
    let resource = match &request.kind {
        Some(kind) => Some(resource::find(kind, request.api_version.as_deref())?),
        None if request.verb.is_some() => return Err(kind()),
        None => None,
    };
    let verbs = verdict::verbs(request.verb.as_deref().unwrap_or_default())?;
    let bindings = grants::bindings(request.namespace.as_deref());
    let subject = Subject::parse(subject, request.namespace.as_deref(), &bindings)?;
    let grants = Grants::read(&subject, bindings);
    text(match resource {
        Some(resource) if !verbs.is_empty() => {
            let asked = verdict::Question {
                verbs: &verbs,
                resource: &resource,
                namespace: request.namespace.as_deref(),
                name: request.name.as_deref(),
            };
            verdict::answer(&subject, &grants, &asked)
        }
        resource => verdict::rules(&subject, &grants, resource.as_ref(), request.namespace.as_deref()),
    })
}
