//! The state of an object in one word and a few figures, by the definitions of kstatus and `kubectl get`.

use serde_json::Value;

use crate::{
    Facts, Kind, Object, Reference, history,
    object::{list, text},
    placement, probes, relations, time,
};

/// A state, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It does what it is for.
    Healthy,
    /// Not running, and meant so: scaled to 0, suspended, ended.
    Intended,
    /// Young, and on its way.
    Starting,
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Intended => "not running, as intended",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Down => "down",
        })
    }
}

/// The state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub state: State,
    /// The figures behind it: `1/3 ready`.
    pub detail: String,
}

/// Seconds for which a pod may be waiting before that is a fault: pulling, scheduling, starting.
pub const STARTING: u64 = 60;

/// The health of an object; None for kinds that have none, such as a ConfigMap.
pub fn health(facts: &Facts, object: &Object) -> Option<Health> {
    let figures = |state: State, detail: String| Some(Health { state, detail });
    if let Some(deleted) = object.deleted() {
        let late = facts.now.saturating_sub(deleted);
        let state = if late > STARTING { State::Down } else { State::Intended };
        return figures(state, format!("being deleted, its grace period ended {} ago", time::age(late)));
    }
    match object.kind() {
        Kind::Pod => Some(pod(facts, object)),
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => {
            let wanted = object.number("/spec/replicas").unwrap_or(1);
            Some(replicas(facts, object, object.number("/status/readyReplicas").unwrap_or(0), wanted))
        }
        Kind::DaemonSet => {
            let number = |pointer: &str| object.number(pointer).unwrap_or(0);
            let (ready, wanted) = (number("/status/numberReady"), number("/status/desiredNumberScheduled"));
            Some(replicas(facts, object, ready, wanted))
        }
        Kind::Job => Some(job(facts, object)),
        Kind::CronJob if object.flag("/spec/suspend") => figures(State::Intended, "suspended".to_owned()),
        Kind::CronJob => Some(cron_job(facts, object)),
        Kind::PersistentVolumeClaim if waits_for_consumer(facts, object) => {
            figures(State::Intended, "Pending: its class waits for a pod that uses it".to_owned())
        }
        Kind::PersistentVolumeClaim | Kind::PersistentVolume => {
            let phase = object.text("/status/phase");
            let state = if matches!(phase, "Bound" | "Available") { State::Healthy } else { State::Down };
            figures(state, phase.to_owned())
        }
        Kind::Service => service(facts, object),
        Kind::Node => {
            let ready = object.condition("Ready").is_some_and(|condition| condition.status == "True");
            figures(
                if ready { State::Healthy } else { State::Down },
                match (ready, object.flag("/spec/unschedulable")) {
                    (true, false) => "Ready".to_owned(),
                    (true, true) => "Ready, cordoned".to_owned(),
                    (false, _) => "not Ready".to_owned(),
                },
            )
        }
        Kind::Namespace => {
            let phase = object.text("/status/phase");
            figures(if phase == "Terminating" { State::Down } else { State::Healthy }, phase.to_owned())
        }
        _ => None,
    }
}

/// True if a claim is Pending because its StorageClass makes a volume only for a pod that is placed, and no pod waits.
pub fn waits_for_consumer(facts: &Facts, claim: &Object) -> bool {
    let is_idle =
        |pod: &&Object| matches!(pod.text("/status/phase"), "Succeeded" | "Failed") || is_gated(pod);
    claim.text("/status/phase") == "Pending"
        && binds_late(facts, claim)
        && facts.is_listed(Kind::Pod, claim.namespace())
        && placement::volumes::users(facts, claim).iter().all(is_idle)
}

/// True if the StorageClass of a claim makes a volume only for a pod that is placed.
pub fn binds_late(facts: &Facts, claim: &Object) -> bool {
    let class =
        Reference::new(Kind::StorageClass, "", placement::volumes::class_of(claim).unwrap_or_default());
    facts.get(&class).is_some_and(|class| class.text("/volumeBindingMode") == "WaitForFirstConsumer")
}

/// True if a pod is held back by a scheduling gate.
pub fn is_gated(pod: &Object) -> bool {
    pod.condition("PodScheduled").is_some_and(|condition| condition.reason == "SchedulingGated")
        || (!pod.list("/spec/schedulingGates").is_empty() && pod.text("/spec/nodeName").is_empty())
}

fn replicas(facts: &Facts, object: &Object, ready: i64, wanted: i64) -> Health {
    let detail = format!("{ready}/{wanted} ready");
    let age = object.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    let state = match ready {
        _ if wanted == 0 && object.kind() == Kind::DaemonSet => State::Intended,
        _ if wanted == 0 => return Health { state: State::Intended, detail: "scaled to 0".to_owned() },
        _ if ready >= wanted => State::Healthy,
        _ if age < STARTING || waits_for_probes(facts, object, wanted) => State::Starting,
        0 => State::Down,
        _ => State::Degraded,
    };
    Health { state, detail }
}

/// True if a workload has all its pods, and those that are not ready have probes that may still succeed.
fn waits_for_probes(facts: &Facts, workload: &Object, wanted: i64) -> bool {
    let pods = facts.pods_of(workload);
    let mut live = pods.iter().filter(|pod| !has_ended(pod) && pod.deleted().is_none());
    let count = pods.iter().filter(|pod| is_ready(pod) || probes::is_starting(pod, facts.now)).count();
    pods.iter().any(|pod| probes::is_starting(pod, facts.now))
        && i64::try_from(count).is_ok_and(|count| count >= wanted)
        && live.all(|pod| is_ready(pod) || probes::is_starting(pod, facts.now))
}

fn job(facts: &Facts, job: &Object) -> Health {
    let has = |kind: &str| job.condition(kind).filter(|condition| condition.status == "True");
    let number = |pointer: &str| job.number(pointer).unwrap_or(0);
    let (active, failed) = (number("/status/active"), number("/status/failed"));
    let (state, detail) = if has("Complete").is_some() {
        (State::Healthy, "complete".to_owned())
    } else if let Some(condition) = has("Failed") {
        (State::Down, format!("failed: {}", condition.reason))
    } else if job.flag("/spec/suspend") {
        (State::Intended, "suspended".to_owned())
    } else if failed > 0 {
        (State::Degraded, format!("{active} active, {failed} failed"))
    } else if active == 0 && number("/status/succeeded") == 0 && facts.pods_of(job).is_empty() {
        let age = job.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
        (if age < STARTING { State::Starting } else { State::Down }, "no pod".to_owned())
    } else {
        (State::Healthy, format!("{active} active"))
    };
    Health { state, detail }
}

/// A CronJob is as well as its newest run that has ended.
fn cron_job(facts: &Facts, cron_job: &Object) -> Health {
    let last = history::runs(facts, cron_job).into_iter().find(|job| history::has_ended(job));
    let schedule = format!("schedule {}", cron_job.text("/spec/schedule"));
    match last.filter(|job| is_condition(job, "Failed")) {
        Some(_) => Health { state: State::Degraded, detail: format!("{schedule}, its last run failed") },
        None => Health { state: State::Healthy, detail: schedule },
    }
}

/// True if a condition of an object is met.
pub fn is_condition(object: &Object, kind: &str) -> bool {
    object.condition(kind).is_some_and(|condition| condition.status == "True")
}

fn service(facts: &Facts, service: &Object) -> Option<Health> {
    if service.text("/spec/type") == "ExternalName" || service.map("/spec/selector").is_empty() {
        return Some(Health { state: State::Healthy, detail: "without a selector".to_owned() });
    }
    if !facts.is_listed(Kind::Pod, service.namespace()) {
        return None;
    }
    let pods: Vec<&Object> = relations::selected(facts, service).filter(|pod| !has_ended(pod)).collect();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let is_idle = || {
        let mut workloads = relations::workloads_behind(facts, service).peekable();
        workloads.peek().is_some() && workloads.all(|workload| workload.number("/spec/replicas") == Some(0))
    };
    let state = match ready {
        0 if pods.is_empty() && is_idle() => State::Intended,
        0 if !pods.is_empty() && pods.iter().all(|pod| probes::is_starting(pod, facts.now)) => {
            State::Starting
        }
        0 => State::Down,
        _ if ready < pods.len() => State::Degraded,
        _ => State::Healthy,
    };
    Some(Health { state, detail: format!("{ready} of {} selected pods ready", pods.len()) })
}

/// True if all containers of a pod have ended for good.
pub fn has_ended(pod: &Object) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// True if a pod is ready to serve.
pub fn is_ready(pod: &Object) -> bool {
    pod.deleted().is_none() && pod.condition("Ready").is_some_and(|condition| condition.status == "True")
}

/// The statuses of a pod's containers, those that initialize it first.
pub fn statuses(pod: &Object) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .flat_map(|field| pod.list(field))
}

fn pod(facts: &Facts, pod: &Object) -> Health {
    let containers = pod.list("/status/containerStatuses");
    let ready = containers
        .iter()
        .filter(|status| status.pointer("/ready").and_then(Value::as_bool).unwrap_or_default())
        .count();
    let all = pod.list("/spec/containers").len();
    let word = reason(pod);
    let detail = format!("{word}, {ready}/{all} ready");
    let age = pod.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    let state = match pod.text("/status/phase") {
        "Succeeded" => State::Intended,
        "Pending" if is_gated(pod) => State::Intended,
        "Running" if is_ready(pod) => State::Healthy,
        // An error word is a fault at any age.
        "Running" | "Pending" if age < STARTING && !is_error(&word) => State::Starting,
        "Running" if probes::is_starting(pod, facts.now) => State::Starting,
        "Running" if ready > 0 => State::Degraded,
        _ => State::Down,
    };
    Health { state, detail }
}

fn is_error(word: &str) -> bool {
    ["Err", "BackOff", "Invalid", "OOM"].iter().any(|part| word.contains(part))
}

/// The word that says most about a pod: the reason of the first container that does not run, or its phase.
fn reason(pod: &Object) -> String {
    let waiting = statuses(pod).find_map(|status| {
        let waiting = text(status, "/state/waiting/reason");
        let ended = text(status, "/state/terminated/reason");
        [waiting, ended].into_iter().find(|word| !matches!(*word, "" | "Completed" | "PodInitializing"))
    });
    let own = Some(pod.text("/status/reason")).filter(|reason| !reason.is_empty());
    own.or(waiting).unwrap_or(pod.text("/status/phase")).to_owned()
}

/// Restarts of a container, or of all containers together.
pub fn restarts(pod: &Object) -> i64 {
    statuses(pod).filter_map(|status| status.pointer("/restartCount").and_then(Value::as_i64)).sum()
}

/// Names of the containers of a pod whose status has something at a pointer.
pub fn containers_with<'p>(pod: &'p Object, pointer: &'p str) -> impl Iterator<Item = (&'p str, &'p Value)> {
    statuses(pod).filter_map(move |status| Some((text(status, "/name"), status.pointer(pointer)?)))
}

/// The container of a name in a pod's spec.
pub fn container<'p>(pod: &'p Object, name: &str) -> Option<&'p Value> {
    let spec = pod.at("/spec")?;
    crate::needs::containers(spec).find(|container| text(container, "/name") == name)
}

/// The addresses of ports that a container declares: number and name.
pub fn ports(container: &Value) -> Vec<(i64, &str)> {
    let ports = list(container, "/ports").iter();
    ports
        .filter_map(|port| {
            Some((port.pointer("/containerPort").and_then(Value::as_i64)?, text(port, "/name")))
        })
        .collect()
}

#[cfg(test)]
mod tests;
