//! Objects that were made or written: configuration, quotas, policies, autoscalers, Services and Ingresses, by time and
//! manager. Only names of fields are known here, never a value.

use std::collections::BTreeMap;

use porthole_diagnosis::Kind;

use crate::{
    collect::Seen,
    entry::{Entry, Topic, subject},
    source::Write,
    window::{Window, parse},
};

/// Objects of one kind, namespace and manager that are told one by one.
const SINGLE: usize = 3;
/// Names in a line of several objects.
const NAMES: usize = 4;
/// Fields that are named.
const FIELDS: usize = 3;
/// Seconds between the creation of an object and the write that made it.
const AT_ONCE: u64 = 2;
/// ConfigMaps that come with every namespace.
const BUILT_IN: [&str; 2] = ["kube-root-ca.crt", "openshift-service-ca.crt"];

/// The last write to an object.
#[derive(Debug)]
struct Last<'s> {
    time: u64,
    write: &'s Write,
    is_new: bool,
}

/// Kind, namespace, manager, and whether they are new.
type Group<'s> = (Kind, &'s str, &'s str, bool);

/// All writes in the window that are told by themselves.
pub(crate) fn entries(seen: &Seen, window: Window) -> Vec<Entry> {
    let mut last: BTreeMap<(Kind, &str, &str), Last<'_>> = BTreeMap::new();
    for (kind, write) in &seen.writes {
        let Some(time) = parse(&write.time).filter(|time| window.has(*time)) else { continue };
        if topic(*kind).is_none() || !is_change(*kind, write, time) {
            continue;
        }
        let found = Last { time, write, is_new: is_creation(write, time) };
        let key = (*kind, write.namespace.as_str(), write.name.as_str());
        if last.get(&key).is_none_or(|known| (known.time, &known.write.manager) < (time, &write.manager)) {
            last.insert(key, found);
        }
    }
    let mut groups: BTreeMap<Group<'_>, Vec<Last<'_>>> = BTreeMap::new();
    for ((kind, namespace, _), found) in last {
        groups.entry((kind, namespace, &found.write.manager, found.is_new)).or_default().push(found);
    }
    groups.into_iter().flat_map(|(group, found)| of_group(seen, group, found)).collect()
}

/// The topic of a kind; None for those whose writes tell something else.
fn topic(kind: Kind) -> Option<Topic> {
    Some(match kind {
        Kind::ConfigMap | Kind::Service | Kind::Ingress | Kind::HorizontalPodAutoscaler => Topic::Config,
        Kind::ResourceQuota | Kind::LimitRange | Kind::NetworkPolicy => Topic::Policy,
        _ => return None,
    })
}

/// False for a write of nothing but metadata (leases of leaders are kept there), or of what every namespace has.
fn is_change(kind: Kind, write: &Write, time: u64) -> bool {
    if kind == Kind::ConfigMap && BUILT_IN.contains(&write.name.as_str()) {
        return false;
    }
    let is_content = |field: &String| !field.starts_with("metadata") && !field.starts_with("status");
    is_creation(write, time) || write.more_fields > 0 || write.fields.iter().any(is_content)
}

fn is_creation(write: &Write, time: u64) -> bool {
    parse(&write.created).is_some_and(|created| created.abs_diff(time) <= AT_ONCE)
}

fn of_group(
    seen: &Seen,
    (kind, namespace, manager, is_new): Group<'_>,
    mut found: Vec<Last<'_>>,
) -> Vec<Entry> {
    let Some(topic) = topic(kind).map(|topic| if is_new { Topic::Creation } else { topic }) else {
        return Vec::new();
    };
    let verb = if is_new { "created" } else { "changed" };
    let names = |name: &str| -> Vec<String> {
        let mut names = vec![name.to_owned()];
        if kind == Kind::ConfigMap {
            names.extend(seen.users_of(namespace, name));
        }
        names
    };
    if found.len() <= SINGLE {
        let entry = |Last { time, write, .. }: Last<'_>| {
            let name = write.name.as_str();
            let fields = if is_new { String::new() } else { fields(write) };
            let text = format!("{verb} {} by {manager}{fields}", subject(kind.name(), namespace, name));
            Entry { time, topic, namespace: namespace.to_owned(), names: names(name), text }
        };
        return found.into_iter().map(entry).collect();
    }
    found.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.write.name.cmp(&b.write.name)));
    let time = found.first().map_or(0, |last| last.time);
    let all: Vec<&str> = found.iter().map(|last| last.write.name.as_str()).collect();
    let more = all.len().saturating_sub(NAMES);
    let shown: Vec<&str> = all.iter().take(NAMES).copied().collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    let text =
        format!("{verb} {} {}{place} by {manager}: {}{more}", all.len(), kind.plural(), shown.join(", "));
    let names = all.iter().flat_map(|name| names(name)).collect();
    vec![Entry { time, topic, namespace: namespace.to_owned(), names, text }]
}

/// The fields that the manager owns since, which are those that it wrote, then or before.
fn fields(write: &Write) -> String {
    let content: Vec<&str> =
        write.fields.iter().map(String::as_str).filter(|field| !field.starts_with("metadata.")).collect();
    let more =
        content.len().saturating_sub(FIELDS) + usize::try_from(write.more_fields).unwrap_or(usize::MAX);
    let shown: Vec<&str> = content.into_iter().take(FIELDS).collect();
    match (shown.as_slice(), more) {
        ([], _) => String::new(),
        (shown, 0) => format!(": {}", shown.join(", ")),
        (shown, more) => format!(": {} and {more} more", shown.join(", ")),
    }
}
