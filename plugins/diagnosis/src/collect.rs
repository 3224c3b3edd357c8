//! Reading the facts: a namespace and what its objects need, in few rounds of reads side by side.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Facts, Kind, Object, Presence, Reference,
    containers::containers,
    crowd::{self, Crowd},
    demand::{self, Demand},
    health,
    log::Log,
    needs,
    object::text,
    placement, relations, rights,
    source::{List, Listed, LogRead, Source, Unread},
    trouble, webhooks,
};

/// Objects that are read one by one.
const OBJECTS: usize = 16;
/// Namespaces in which the rights of refused accounts are read.
const DENIALS: usize = 2;
/// Logs that are read.
const LOGS: usize = 6;
/// Lines at the end of a log of a container that ended.
const TAIL: u32 = 40;
/// Lines at the end of a log that are searched where the whole is too long.
const END: u32 = 5000;
/// Lines around an error in a log: what led to it stands before it.
const CONTEXT: u32 = 12;
/// Fields of a pod that say what it takes of its node.
const REQUESTS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.containers[].resources",
    "spec.initContainers[].resources",
    "spec.initContainers[].restartPolicy",
    "spec.resources",
    "spec.overhead",
    "status.phase",
];

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
pub(crate) fn namespace(source: &mut impl Source, facts: &mut Facts, namespace: &str, crowd: Crowd<'_>) {
    let kinds = Kind::all().filter(|kind| is_listed(*kind));
    // Kinds of the cluster may be known from another namespace.
    let kinds = kinds.filter(|kind| kind.is_namespaced() || !facts.is_listed(*kind, ""));
    let lists: Vec<List> = kinds.map(|kind| in_namespace(kind, namespace)).collect();
    let mut first_pods = None;
    for (list, answer) in lists.iter().zip(source.lists(&lists)) {
        match answer {
            Ok(listed) if list.is_first_page && !listed.cut.is_empty() => first_pods = Some(listed.items),
            answer => add_list(facts, list, answer),
        }
    }
    if let Some(pods) = first_pods {
        crowd::add(source, facts, namespace, crowd, pods);
    }
    let volumes = facts.within(Kind::PersistentVolumeClaim, namespace);
    let volumes =
        volumes.map(|claim| Reference::new(Kind::PersistentVolume, "", claim.text("/spec/volumeName")));
    let volumes = volumes.filter(|volume| !volume.name.is_empty()).take(OBJECTS);
    let own = Reference::new(Kind::Namespace, "", namespace);
    let wanted: Vec<Reference> = std::iter::once(own).chain(volumes).collect();
    objects(source, facts, &wanted);
    keys(source, facts, namespace);
    room(source, facts, namespace);
    webhooks(source, facts, namespace);
}

/// Reads the Services behind webhooks that may keep pods of a namespace from being created, and their endpoints.
fn webhooks(source: &mut impl Source, facts: &mut Facts, namespace: &str) {
    let services = webhooks::services_to_read(facts, namespace);
    let unread = |service: &&Reference| {
        matches!(facts.find(Kind::Service, &service.namespace, &service.name), Presence::Unknown)
    };
    let unread: Vec<Reference> = services.iter().filter(unread).take(OBJECTS).cloned().collect();
    objects(source, facts, &unread);
    let namespaces: BTreeSet<&str> = services.iter().map(|service| service.namespace.as_str()).collect();
    let unlisted =
        namespaces.into_iter().filter(|namespace| !facts.is_listed(Kind::EndpointSlice, namespace));
    let lists: Vec<List> =
        unlisted.take(OBJECTS).map(|namespace| in_namespace(Kind::EndpointSlice, namespace)).collect();
    list(source, facts, &lists);
}

/// Adds what the pods of all namespaces request of each node, if a pod waits for free resources.
fn room(source: &mut impl Source, facts: &mut Facts, namespace: &str) {
    let waits = facts.within(Kind::Pod, namespace).any(|pod| {
        let message = pod.condition("PodScheduled").map_or("", |condition| condition.message);
        message.contains("Insufficient") || message.contains("Too many pods")
    });
    if !waits || facts.requested().is_some() {
        return;
    }
    let list = List {
        kind: Kind::Pod,
        namespace: None,
        field_selector: None,
        fields: REQUESTS.to_vec(),
        is_first_page: false,
    };
    match source.lists(&[list]).into_iter().next() {
        Some(Ok(listed)) if listed.cut.is_empty() => {
            let mut nodes: BTreeMap<String, Demand> = BTreeMap::new();
            for value in listed.items {
                let pod = Object::new(Kind::Pod, value);
                if let Some((node, taken)) = placement::room::taken(&pod) {
                    demand::add(nodes.entry(node.to_owned()).or_default(), &taken);
                }
            }
            facts.set_requested(nodes);
        }
        Some(Ok(listed)) => facts.add_gap("free resources of nodes: some pods", listed.cut),
        Some(Err(Unread::Failed(why))) => {
            facts.add_gap("free resources of nodes: pods of all namespaces", why);
        }
        Some(Err(_)) | None => {}
    }
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
    List { kind, namespace, field_selector: None, fields: kind.fields(), is_first_page: kind == Kind::Pod }
}

/// Adds the objects of lists. A list that was not read whole is a gap, and proves no absence.
pub(crate) fn list(source: &mut impl Source, facts: &mut Facts, lists: &[List]) {
    for (list, answer) in lists.iter().zip(source.lists(lists)) {
        add_list(facts, list, answer);
    }
}

fn add_list(facts: &mut Facts, list: &List, answer: Result<Listed, Unread>) {
    let namespace = list.namespace.clone().unwrap_or_default();
    match answer {
        Ok(listed) => {
            for item in listed.items {
                facts.add(Object::new(list.kind, item));
            }
            if listed.cut.is_empty() {
                // What a selector leaves out may exist.
                if list.field_selector.is_none() {
                    facts.add_list(list.kind, &namespace);
                }
            } else {
                facts.add_gap(format!("some {}", list.kind.plural()), listed.cut);
            }
        }
        Err(Unread::NotFound | Unread::Unsupported) => facts.add_list(list.kind, &namespace),
        Err(Unread::Failed(why)) => facts.add_gap(list.kind.plural(), why),
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

/// Reads the end of the logs of containers that ended with an error or that hold up their pod, one pod of each workload.
pub(crate) fn ended_logs(
    source: &mut impl Source,
    facts: &mut Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
) {
    let mut reads = Vec::new();
    for pod in representatives(facts, subject, related, |pod| of_ended(pod, facts.now).next().is_some()) {
        reads.extend(of_ended(pod, facts.now));
    }
    logs(source, facts, reads);
}

/// The logs of a pod that may say why it does not work.
fn of_ended(pod: &Object, now: u64) -> impl Iterator<Item = LogRead> {
    containers(pod).filter_map(move |container| {
        let is_waiting_init = container.is_init && !container.is_sidecar() && container.is_running();
        let is_loop = container.waiting().is_some_and(|(reason, _)| reason == "CrashLoopBackOff");
        let end = container.recent_end(now);
        let has_failed = match &end {
            // What never began has no log.
            Some(end) => {
                (end.code != 0 || is_loop) && !matches!(end.reason, "StartError" | "ContainerCannotRun")
            }
            None => is_loop,
        };
        (is_waiting_init || has_failed).then(|| LogRead {
            // The present instance may have only just begun.
            is_previous: !is_waiting_init && end.is_none_or(|end| !end.is_current),
            tail: Some(TAIL),
            ..read_of(pod, container.name())
        })
    })
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
            let pattern = Some((trouble::pattern(), CONTEXT));
            reads.push(LogRead { pattern, ..read_of(pod, container) });
        }
    }
    logs(source, facts, reads);
    let cut = facts.all_logs().filter(|log| log.is_search && !log.unread.is_empty());
    let ends: Vec<LogRead> = cut
        .map(|log| LogRead {
            namespace: log.namespace.clone(),
            pod: log.pod.clone(),
            container: log.container.clone(),
            tail: Some(END),
            pattern: Some((trouble::pattern(), CONTEXT)),
            ..LogRead::default()
        })
        .collect();
    for (read, answer) in ends.iter().zip(source.logs(&ends)) {
        if let Ok(lines) = answer {
            let pod = Reference::new(Kind::Pod, &read.namespace, &read.pod);
            facts.add_log_end(&pod, &read.container, &lines.text);
        }
    }
}

/// Related pods, one of each workload: the newest that `is_wanted`, since an older one may be history. Those of the subject
/// come first, because only some logs are read.
fn representatives<'f>(
    facts: &'f Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
    is_wanted: impl Fn(&Object) -> bool,
) -> Vec<&'f Object> {
    let asked =
        subject.iter().filter(|asked| asked.kind == Kind::Service).filter_map(|asked| facts.get(asked));
    let selected: BTreeSet<&str> =
        asked.flat_map(|service| relations::selected(facts, service)).map(Object::name).collect();
    let is_asked = |pod: &Object| {
        subject.contains(&pod.reference())
            || subject.contains(&facts.root(pod).reference())
            || selected.contains(pod.name())
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
    let is_read = |read: &LogRead| {
        facts.all_logs().any(|log| {
            (&log.namespace, &log.pod, &log.container) == (&read.namespace, &read.pod, &read.container)
                && (log.is_previous, log.is_search) == (read.is_previous, read.pattern.is_some())
        })
    };
    reads.retain(|read| !is_read(read));
    reads.truncate(LOGS);
    for (read, answer) in reads.iter().zip(source.logs(&reads)) {
        match answer {
            Ok(lines) => {
                if read.pattern.is_some() && !lines.unread.is_empty() {
                    facts.add_gap(format!("part of the log of {}", read.container), lines.unread.clone());
                }
                facts.add_log(Log {
                    namespace: read.namespace.clone(),
                    pod: read.pod.clone(),
                    container: read.container.clone(),
                    is_previous: read.is_previous,
                    is_search: read.pattern.is_some(),
                    text: lines.text,
                    end: String::new(),
                    lines_read: lines.lines_read,
                    unread: lines.unread,
                });
            }
            Err(Unread::NotFound | Unread::Unsupported) => {}
            Err(Unread::Failed(why)) => facts.add_gap(format!("log of {}", read.container), why),
        }
    }
}
