//! Reading the facts: a namespace and what its objects need, in few rounds of reads side by side.

use std::collections::BTreeSet;

use crate::{
    Facts, Kind, Object, Reference, health,
    log::Log,
    needs,
    object::text,
    relations, rights,
    source::{List, LogRead, Source, Unread},
};

/// Objects that are read one by one.
const OBJECTS: usize = 16;
/// Namespaces in which the rights of refused accounts are read.
const DENIALS: usize = 2;
/// Logs that are read.
const LOGS: usize = 6;
/// Lines at the end of a log of a container that ended.
const TAIL: u32 = 40;
/// Lines around an error in a log.
const CONTEXT: u32 = 6;
/// Lines that report trouble, in the words of most loggers.
const TROUBLE: &str = r"(?i)\b(error|err|fatal|panic|exception|fail(ed|ure)?|refused|denied|forbidden|unauthorized|timed? ?out|unreachable|no such host|cannot|unable|lost|killed|out of memory)\b";

/// Kinds that a first round does not list: Secrets are not granted, and of the others only some objects are read.
fn is_listed(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Secret
            | Kind::Namespace
            | Kind::PersistentVolume
            | Kind::Role
            | Kind::RoleBinding
            | Kind::ClusterRole
            | Kind::ClusterRoleBinding
    )
}

/// Reads all that rules look at in a namespace, and the kinds of the cluster that its objects refer to.
pub(crate) fn namespace(source: &mut impl Source, facts: &mut Facts, namespace: &str) {
    let lists: Vec<List> =
        Kind::all().filter(|kind| is_listed(*kind)).map(|kind| in_namespace(kind, namespace)).collect();
    list(source, facts, &lists);
    let volumes = facts.within(Kind::PersistentVolumeClaim, namespace);
    let volumes =
        volumes.map(|claim| Reference::new(Kind::PersistentVolume, "", claim.text("/spec/volumeName")));
    let volumes = volumes.filter(|volume| !volume.name.is_empty()).take(OBJECTS);
    let own = Reference::new(Kind::Namespace, "", namespace);
    let wanted: Vec<Reference> = std::iter::once(own).chain(volumes).collect();
    objects(source, facts, &wanted);
    keys(source, facts, namespace);
}

/// Reads the rights of the accounts that logs and events say were refused by the API server.
pub(crate) fn denials(source: &mut impl Source, facts: &mut Facts) {
    let places: BTreeSet<(String, String)> = rights::denials(facts)
        .into_iter()
        .map(|denial| (denial.account.namespace, denial.namespace))
        // A refusal of the whole cluster is one of bindings of the cluster; Roles are read all the same, for what they give.
        .map(|(account, asked)| if asked.is_empty() { (account.clone(), account) } else { (account, asked) })
        .filter(|(_, asked)| !facts.is_listed(Kind::RoleBinding, asked))
        .collect();
    for (account, asked) in places.into_iter().take(DENIALS) {
        rights(source, facts, &asked, &account);
    }
}

/// Roles and bindings that say what accounts of a namespace may do in another, which may be the same.
fn rights(source: &mut impl Source, facts: &mut Facts, namespace: &str, of_accounts: &str) {
    let kinds = [Kind::Role, Kind::RoleBinding, Kind::ClusterRoleBinding];
    let lists: Vec<List> = kinds.into_iter().map(|kind| in_namespace(kind, namespace)).collect();
    list(source, facts, &lists);
    let bindings = facts.within(Kind::RoleBinding, namespace).chain(facts.all(Kind::ClusterRoleBinding));
    let roles: BTreeSet<Reference> = bindings
        .filter(|binding| {
            binding.text("/roleRef/kind") == "ClusterRole" && names_an_account_of(binding, of_accounts)
        })
        .map(|binding| Reference::new(Kind::ClusterRole, "", binding.text("/roleRef/name")))
        .collect();
    objects(source, facts, &roles.into_iter().take(OBJECTS).collect::<Vec<_>>());
}

fn names_an_account_of(binding: &Object, namespace: &str) -> bool {
    let of_namespace = format!("system:serviceaccounts:{namespace}");
    let groups = [of_namespace.as_str(), "system:serviceaccounts", "system:authenticated"];
    binding.list("/subjects").iter().any(|subject| {
        let is_account = text(subject, "/kind") == "ServiceAccount"
            && [namespace, ""].contains(&text(subject, "/namespace"));
        is_account || (text(subject, "/kind") == "Group" && groups.contains(&text(subject, "/name")))
    })
}

fn in_namespace(kind: Kind, namespace: &str) -> List {
    let namespace = kind.is_namespaced().then(|| namespace.to_owned());
    List { kind, namespace, name: None, fields: kind.fields() }
}

/// Adds the objects of lists. A list that was not read whole is a gap, and proves no absence.
pub(crate) fn list(source: &mut impl Source, facts: &mut Facts, lists: &[List]) {
    for (list, answer) in lists.iter().zip(source.lists(lists)) {
        let namespace = list.namespace.clone().unwrap_or_default();
        match answer {
            Ok(listed) => {
                for item in listed.items {
                    facts.add(Object::new(list.kind, item));
                }
                if listed.cut.is_empty() {
                    facts.add_list(list.kind, &namespace);
                } else {
                    facts.add_gap(format!("some {}", list.kind.plural()), listed.cut);
                }
            }
            Err(Unread::NotFound | Unread::Unsupported) => facts.add_list(list.kind, &namespace),
            Err(Unread::Failed(why)) => facts.add_gap(list.kind.plural(), why),
        }
    }
}

/// Adds single objects.
pub(crate) fn objects(source: &mut impl Source, facts: &mut Facts, references: &[Reference]) {
    for (reference, answer) in references.iter().zip(source.objects(references)) {
        match answer {
            Ok(value) => facts.add(Object::new(reference.kind, value)),
            Err(Unread::NotFound) => facts.add_absent(reference.clone()),
            Err(Unread::Unsupported) => {}
            Err(Unread::Failed(why)) => facts.add_gap(reference.to_string(), why),
        }
    }
}

/// Reads the ConfigMaps of which pods that do not run need a key: a list of them holds no keys.
fn keys(source: &mut impl Source, facts: &mut Facts, namespace: &str) {
    let unwell = facts.within(Kind::Pod, namespace).filter(|pod| !health::is_ready(pod));
    let needed: BTreeSet<Reference> = unwell
        .flat_map(needs::needs)
        .filter(|need| {
            need.key.is_some() && need.object.kind == Kind::ConfigMap && facts.get(&need.object).is_some()
        })
        .map(|need| need.object)
        .collect();
    objects(source, facts, &needed.into_iter().take(OBJECTS).collect::<Vec<_>>());
}

/// Reads the end of the logs of containers that ended with an error, one pod of each workload.
pub(crate) fn ended_logs(
    source: &mut impl Source,
    facts: &mut Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
) {
    let mut reads = Vec::new();
    for pod in representatives(facts, subject, related, |pod| !health::is_ready(pod)) {
        for status in health::statuses(pod) {
            let number = |pointer: &str| status.pointer(pointer).and_then(serde_json::Value::as_i64);
            let has_ended = number("/state/terminated/exitCode").is_some_and(|code| code != 0);
            let had_ended = number("/lastState/terminated/exitCode").is_some_and(|code| code != 0);
            let never_ran =
                |state: &str| text(status, &format!("/{state}/terminated/reason")) == "StartError";
            if (has_ended && !never_ran("state")) || (had_ended && !never_ran("lastState")) {
                reads.push(LogRead {
                    // The present instance may have only just begun.
                    is_previous: !has_ended,
                    tail: Some(TAIL),
                    ..read_of(pod, text(status, "/name"))
                });
            }
        }
    }
    logs(source, facts, reads);
}

/// Searches the logs of running pods for trouble, one pod of each workload.
pub(crate) fn searched_logs(
    source: &mut impl Source,
    facts: &mut Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
) {
    let mut reads = Vec::new();
    for pod in representatives(facts, subject, related, |pod| pod.text("/status/phase") == "Running") {
        for (container, _) in health::containers_with(pod, "/state/running") {
            let pattern = Some((TROUBLE.to_owned(), CONTEXT));
            reads.push(LogRead { pattern, ..read_of(pod, container) });
        }
    }
    logs(source, facts, reads);
}

/// Related pods, one of each workload: the newest that `is_wanted`, since an older one may be history. Those of the subject
/// come first, because only some logs are read.
fn representatives<'f>(
    facts: &'f Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
    is_wanted: impl Fn(&Object) -> bool,
) -> Vec<&'f Object> {
    let is_selected = |pod: &Object| {
        let asked =
            subject.iter().filter(|asked| asked.kind == Kind::Service).filter_map(|asked| facts.get(asked));
        asked.flat_map(|service| relations::selected(facts, service)).any(|other| other.name() == pod.name())
    };
    let is_asked = |pod: &Object| {
        subject.contains(&pod.reference())
            || subject.contains(&facts.root(pod).reference())
            || is_selected(pod)
    };
    let pods = facts.all(Kind::Pod).filter(|pod| related.contains(&pod.reference()) && is_wanted(pod));
    let mut pods: Vec<&Object> = pods.collect();
    // An older pod of a Job may be history.
    pods.sort_by_cached_key(|pod| (!is_asked(pod), health::is_ready(pod), std::cmp::Reverse(pod.created())));
    let mut roots = BTreeSet::new();
    pods.retain(|pod| roots.insert(facts.root(pod).reference()));
    pods
}

fn read_of(pod: &Object, container: &str) -> LogRead {
    LogRead {
        namespace: pod.namespace().to_owned(),
        pod: pod.name().to_owned(),
        container: container.to_owned(),
        ..LogRead::default()
    }
}

fn logs(source: &mut impl Source, facts: &mut Facts, mut reads: Vec<LogRead>) {
    reads.truncate(LOGS);
    for (read, answer) in reads.iter().zip(source.logs(&reads)) {
        match answer {
            Ok(lines) => facts.add_log(Log {
                namespace: read.namespace.clone(),
                pod: read.pod.clone(),
                container: read.container.clone(),
                is_previous: read.is_previous,
                is_search: read.pattern.is_some(),
                text: lines.text,
                lines_read: lines.lines_read,
                unread: lines.unread,
            }),
            Err(Unread::NotFound | Unread::Unsupported) => {}
            Err(Unread::Failed(why)) => facts.add_gap(format!("log of {}", read.container), why),
        }
    }
}
