//! events_list: what happened, newest first.

use porthole_sdk::{
    Kept,
    event::COLUMNS,
    field_path::echo,
    kube_read::KindInfo,
    locate_preferred,
    owned::{Involved, events, with_owned},
    prelude::*,
    tool,
};

#[derive(Arguments)]
struct Request {
    /// Default: all namespaces
    namespace: Option<String>,
    /// Only of this object and what it owns: web-1, deploy/web
    name: Option<String>,
    #[argument(flatten)]
    list: ListArguments,
}

/// Kinds that own others, and pods: a bare name may be any of them.
const OWNERS: [&str; 7] = [
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "jobs.batch",
    "cronjobs.batch",
    "pods",
];

/// Events, newest first: why a pod is not scheduled, not started, killed. They expire after an hour. fieldSelector:
/// type=Warning, involvedObject.name=web-1.
#[tool(
    title = "List events",
    reads(
        list("events"),
        get_list("pods"),
        get_list("apps": "deployments", "statefulsets", "daemonsets", "replicasets"),
        get_list("batch": "jobs", "cronjobs")
    )
)]
fn events_list(request: Request) -> Answer {
    let Request { namespace, name, list } = request;
    let Some(name) = name else {
        return List { kind: events(), namespace, noun: "events".into() }.rows(&list, &COLUMNS);
    };
    let is_given = namespace.is_some();
    let Named { namespace, objects, unread } = named(&name, namespace)?;
    let owned = match (objects.len(), unread.as_slice()) {
        (0..=1, []) => String::new(),
        (_, []) => " and what it owns".to_owned(),
        (_, unread) => format!(" (not of all that it owns: {})", unread.join("; ")),
    };
    let keep = |event: &Value| {
        let text = |field: &str| {
            event.pointer(&format!("/involvedObject/{field}")).and_then(Value::as_str).unwrap_or_default()
        };
        objects.iter().any(|object| object.is((text("kind"), text("name"), text("uid"))))
    };
    let place = match &namespace {
        Some(namespace) if !is_given => format!(" in namespace {namespace}"),
        _ => String::new(),
    };
    let noun = format!("events of {}{owned}{place}", echo(&name));
    let events = List { kind: events(), namespace, noun };
    // Those of several objects are found among all of the namespace.
    let only = objects.first().filter(|_| objects.len() == 1);
    let named = only.map(|object| format!("involvedObject.name={}", object.name));
    let kept = Kept { fields: &["involvedObject.uid"], keep: &keep, field_selector: named.as_deref() };
    events.rows_of(&list, &COLUMNS, kept)
}

/// Objects of a name.
struct Named {
    /// The namespace of their events; None for those of all namespaces.
    namespace: Option<String>,
    objects: Vec<Involved>,
    /// Kinds that could not be read, with the reason.
    unread: Vec<String>,
}

/// The objects of a name, `web` or `deploy/web`, and what they own. One that is gone may have left events.
fn named(name: &str, namespace: Option<String>) -> Result<Named, Error> {
    let (info, name) = match name.split_once('/') {
        Some((of, name)) => (Some(find(of)?), name),
        None => (None, name),
    };
    let kinds: Vec<String> = match &info {
        Some(info) if info.group.is_empty() => vec![info.plural.clone()],
        Some(info) => vec![format!("{}.{}", info.plural, info.group)],
        None => OWNERS.map(str::to_owned).into(),
    };
    let namespace = match &info {
        // Events of nodes and other kinds without a namespace are in "default".
        Some(info) if !info.namespaced => Some("default".to_owned()),
        _ => namespace.map_or_else(|| find_namespace(&kinds, name), |given| Ok(Some(given)))?,
    };
    let fields = ["kind", "metadata.name", "metadata.uid", "spec.selector"].map(str::to_owned);
    let query = |of: &String| GetQuery {
        kind: kind(of),
        namespace: namespace.clone(),
        name: name.to_owned(),
        view: View::Fields(fields.to_vec()),
    };
    // An object that is nowhere any more is not read.
    let queries: Vec<GetQuery> = kinds.iter().filter(|_| namespace.is_some()).map(query).collect();
    // What may not be read, or is no more, is asked for by its name all the same.
    let of = info.as_ref().map(|info| info.kind.clone()).unwrap_or_default();
    let mut named = Named {
        objects: vec![Involved { kind: of, name: name.to_owned(), uid: String::new() }],
        namespace,
        unread: Vec::new(),
    };
    for read in kube_read::get_all(&queries) {
        let Some(object) = read.ok().and_then(|json| parsed::<Value>(&json).ok()) else { continue };
        let (owned, reasons) = with_owned(&object, named.namespace.as_deref().unwrap_or_default());
        // A bare name may be that of other kinds too.
        if info.is_some() {
            named.objects.clear();
        }
        named.objects.extend(owned.into_iter().skip(usize::from(info.is_none())));
        named.unread.extend(reasons);
    }
    Ok(named)
}

/// The namespace that has an object of the name, if one has.
fn find_namespace(kinds: &[String], name: &str) -> Result<Option<String>, Error> {
    let kinds: Vec<KindRef> = kinds.iter().map(|name| kind(name)).collect();
    Ok(locate_preferred(&kinds, name)?.only(name)?.map(str::to_owned))
}

/// A kind in any form.
fn find(of: &str) -> Result<KindInfo, Error> {
    let asked = of.to_lowercase();
    let found = kube_read::kinds()?.into_iter().find(|info| {
        let full = format!("{}.{}", info.plural, info.group);
        let names = [&info.plural, &info.kind, &full];
        names.into_iter().chain(&info.short_names).any(|name| name.to_lowercase() == asked)
    });
    found.ok_or_else(|| {
        format!("no kind is called {}; api_resources_list has those there are", echo(of)).into()
    })
}
