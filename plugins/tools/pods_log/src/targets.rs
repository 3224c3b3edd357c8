//! Pods whose logs are read: one pod, the pods of a workload, or all pods with a label.

use std::collections::BTreeMap;

use porthole_sdk::{elsewhere, kube_read::LogSource, pod::Metadata, prelude::*, selector};

use crate::Request;

/// Max logs of one answer: more would each have no room.
const MAX_LOGS: usize = 10;
/// Workloads that a bare name may mean.
pub(crate) const WORKLOADS: [&str; 4] =
    ["deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch"];

/// One container's log.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) pod: String,
    /// None: the only one, as far as is known.
    pub(crate) container: Option<String>,
    /// The run before the last restart.
    pub(crate) previous: bool,
    /// True if the title names the run.
    both: bool,
}

impl Target {
    pub(crate) fn of(pod: String) -> Self {
        Self { pod, container: None, previous: false, both: false }
    }

    fn of_container(pod: &str, container: String) -> Self {
        Self { container: Some(container), ..Self::of(pod.to_owned()) }
    }

    pub(crate) fn title(&self) -> String {
        let run = match (self.both, self.previous) {
            (false, _) => "",
            (true, true) => ", the run before",
            (true, false) => ", this run",
        };
        match &self.container {
            Some(container) => format!("{}/{container}{run}", self.pod),
            None => format!("{}{run}", self.pod),
        }
    }

    /// The runs that the arguments name.
    fn runs(self, request: &Request) -> Vec<Self> {
        if !request.both_runs {
            return vec![Self { previous: request.previous, ..self }];
        }
        [true, false].map(|previous| Self { previous, both: true, ..self.clone() }).into()
    }
}

/// The logs to read, and a line for what is left out.
pub(crate) struct Selection {
    pub(crate) targets: Vec<Target>,
    pub(crate) note: String,
}

impl Selection {
    /// One log.
    fn one(request: &Request, target: Target) -> Self {
        Self { targets: target.runs(request), note: String::new() }
    }

    /// The first of several logs; the note says of whom they are and what reads another.
    fn first(request: &Request, targets: Vec<Target>, of: &str, another: &str) -> Self {
        let mut targets: Vec<Target> = targets.into_iter().flat_map(|target| target.runs(request)).collect();
        let all = targets.len();
        targets.truncate(MAX_LOGS);
        let note = match all > MAX_LOGS {
            true => format!("{of}; {MAX_LOGS} of {all} logs shown{another}\n"),
            false => String::new(),
        };
        Self { targets, note }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pod {
    metadata: PodMetadata,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodMetadata {
    name: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Vec<Ready>,
}

#[derive(Deserialize)]
struct Ready {
    #[serde(default)]
    ready: bool,
}

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.annotations",
    "spec.containers[].name",
    "spec.initContainers[].name",
    "status.containerStatuses[].ready",
];
const DEFAULT: &str = "kubectl.kubernetes.io/default-container";

impl Pod {
    /// The container that `kubectl logs` would take.
    fn default_container(&self) -> Option<String> {
        let names = || self.spec.containers.iter().map(|container| &container.name);
        let annotated = self.metadata.annotations.get(DEFAULT);
        annotated.filter(|name| names().any(|other| other == *name)).or(names().next()).cloned()
    }

    fn containers(&self) -> Vec<String> {
        let all = self.spec.init_containers.iter().chain(&self.spec.containers);
        all.map(|container| container.name.clone()).collect()
    }

    fn is_ready(&self) -> bool {
        self.status.container_statuses.iter().all(|status| status.ready)
    }
}

/// The target that the arguments name.
pub(crate) fn select(request: &Request, namespace: &str) -> Result<Selection, Error> {
    let name = request.name.as_deref().map(bare);
    let selector = match (name, &request.label_selector) {
        (None, None) => {
            return Err(
                "name parameter required: a pod, or a workload such as deployment/web; or give labelSelector"
                    .into(),
            );
        }
        (None, Some(selector)) => selector.clone(),
        (Some(name), _) => match name.split_once('/') {
            Some((kind, name)) => pods_of(kind, name, namespace)?,
            None => return select_pod(request, name, namespace),
        },
    };
    select_by_labels(request, &selector, namespace)
}

/// One pod's log. Which containers it has is only read where that matters.
fn select_pod(request: &Request, name: &str, namespace: &str) -> Result<Selection, Error> {
    let pod = name.to_owned();
    if request.container.as_deref() != Some("*") {
        return Ok(Selection::one(
            request,
            Target { container: request.container.clone(), ..Target::of(pod) },
        ));
    }
    let all: Pod = get_or_suggest(kind("pods"), Some(namespace.to_owned()), name, FIELDS)?;
    let target = |container| Target::of_container(&pod, container);
    let targets: Vec<Target> = all.containers().into_iter().map(target).collect();
    let of = format!("{} containers of {pod}", targets.len());
    Ok(Selection::first(request, targets, &of, ". Name a container for another."))
}

/// The logs of pods by their labels; those that are not ready come first.
fn select_by_labels(request: &Request, labels: &str, namespace: &str) -> Result<Selection, Error> {
    let mut query = list_all_of(kind("pods"), Some(namespace.to_owned()), FIELDS);
    query.label_selector = Some(labels.to_owned());
    let pods: Vec<Pod> = parsed(&kube_read::list_objects(&query)?.items)?;
    if pods.is_empty() {
        return Err(format!("no pods in namespace {namespace} have the labels {labels}").into());
    }
    Ok(select_of_pods(request, pods, &format!("with {labels}")))
}

/// The logs of some pods; those that are not ready come first.
fn select_of_pods(request: &Request, mut pods: Vec<Pod>, named: &str) -> Selection {
    pods.sort_by_key(Pod::is_ready);
    let mut targets = Vec::new();
    for pod in &pods {
        let containers = match request.container.as_deref() {
            Some("*") => pod.containers(),
            Some(name) => vec![name.to_owned()],
            None => pod.default_container().into_iter().collect(),
        };
        let target = |container| Target::of_container(&pod.metadata.name, container);
        targets.extend(containers.into_iter().map(target));
    }
    let of = format!("{} pods {named}", pods.len());
    Selection::first(request, targets, &of, ", those not ready first. Name a pod for another.")
}

/// The logs of the pods whose name begins with `name`; an error that says where else there is something of that name.
pub(crate) fn select_by_beginning(
    request: &Request,
    name: &str,
    namespace: &str,
    not_found: &Error,
) -> Result<Selection, Error> {
    let query = list_all_of(kind("pods"), Some(namespace.to_owned()), FIELDS);
    let pods: Vec<Pod> = match kube_read::list_objects(&query) {
        Ok(page) => parsed(&page.items)?,
        // There is no such namespace.
        Err(error) if error.reason == Reason::NotFound => Vec::new(),
        Err(_) => return Err(not_found.clone()),
    };
    let beginning = format!("{name}-");
    let meant: Vec<Pod> = pods.into_iter().filter(|pod| pod.metadata.name.starts_with(&beginning)).collect();
    if !meant.is_empty() {
        let named = format!("that begin with {name:?}");
        return Ok(select_of_pods(request, meant, &named));
    }
    let kinds: Vec<KindRef> = WORKLOADS.iter().chain(&["pods"]).map(|name| kind(name)).collect();
    match elsewhere(&kinds, name, namespace) {
        places if places.is_empty() => Err(not_found.clone()),
        places => Err(format!(
            "no pod or workload {name:?} in namespace {namespace}. One of that name is in namespace {}: ask again with it.",
            places.join(", ")
        )
        .into()),
    }
}

/// The name without the kind of pods.
pub(crate) fn bare(name: &str) -> &str {
    name.trim_start_matches("pods/").trim_start_matches("pod/")
}

/// True for a kind that has pods by its Jobs alone.
pub(crate) fn is_cron_job(kind: &str) -> bool {
    ["cronjob", "cronjobs", "cj"].contains(&kind.to_lowercase().as_str())
}

/// The labels of a workload's pods.
fn pods_of(workload: &str, name: &str, namespace: &str) -> Result<String, Error> {
    let place = Some(namespace.to_owned());
    if is_cron_job(workload) {
        return newest_job(name, namespace);
    }
    let object: Value = get(kind(workload), place, name, &["spec.selector"])?;
    let selector = object.pointer("/spec/selector").and_then(selector::text);
    let none = || format!("{workload}/{name} in namespace {namespace} selects no pods by labels");
    Ok(selector.ok_or_else(none)?)
}

/// The pods of the last job that a CronJob made.
fn newest_job(cron: &str, namespace: &str) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Job {
        metadata: JobMetadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct JobMetadata {
        #[serde(flatten)]
        metadata: Metadata,
        #[serde(default)]
        owner_references: Vec<Owner>,
    }
    #[derive(Deserialize)]
    struct Owner {
        kind: String,
        name: String,
    }
    let fields = ["metadata.name", "metadata.creationTimestamp", "metadata.ownerReferences"];
    let page =
        kube_read::list_objects(&list_all_of(kind("jobs.batch"), Some(namespace.to_owned()), &fields))?;
    let mut jobs: Vec<Job> = parsed(&page.items)?;
    jobs.retain(|job| {
        job.metadata.owner_references.iter().any(|owner| owner.kind == "CronJob" && owner.name == cron)
    });
    let newest = jobs
        .iter()
        .max_by(|a, b| a.metadata.metadata.creation_timestamp.cmp(&b.metadata.metadata.creation_timestamp));
    let newest = newest.ok_or_else(|| format!("cronjob/{cron} in namespace {namespace} has no jobs now"))?;
    Ok(format!("job-name={}", newest.metadata.metadata.name))
}

/// The container to take where the pod has several and none was named, and the others.
pub(crate) fn default_container(source: &LogSource) -> Result<(String, Vec<String>), Error> {
    let pod: Pod = get(kind("pods"), Some(source.namespace.clone()), &source.pod, FIELDS)?;
    let chosen = pod.default_container().ok_or("the pod has no containers")?;
    let others = pod.containers().into_iter().filter(|name| *name != chosen).collect();
    Ok((chosen, others))
}

/// The names of a pod's containers, for the error that one is not there.
pub(crate) fn containers(source: &LogSource) -> Vec<String> {
    let pod: Option<Pod> = get(kind("pods"), Some(source.namespace.clone()), &source.pod, FIELDS).ok();
    pod.map(|pod| pod.containers()).unwrap_or_default()
}
