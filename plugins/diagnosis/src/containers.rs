//! The containers of a pod: what each is doing now, and how it ended before.

use serde_json::Value;

use crate::{
    Facts, Kind, Object,
    health::{self, State},
    object::{list, text},
    time,
};

/// Seconds for which the end of an instance explains a container that runs again.
const RECENT: u64 = 3600;

/// A container of a pod, with its status.
#[derive(Debug, Clone, Copy)]
pub struct Container<'p> {
    status: &'p Value,
    /// Its part of the pod's spec; null if there is none.
    pub spec: &'p Value,
    /// True if it initializes the pod or is a native sidecar.
    pub is_init: bool,
}

/// The end of an instance of a container.
#[derive(Debug, Clone, Copy)]
pub struct End<'p> {
    /// One word: `Error`, `OOMKilled`, `StartError`.
    pub reason: &'p str,
    /// What the runtime or the container left as a last word; may be empty.
    pub message: &'p str,
    /// The exit code.
    pub code: i64,
    /// Seconds since 1970.
    pub started: Option<u64>,
    /// Seconds since 1970.
    pub finished: Option<u64>,
    /// True if no instance runs or waits since.
    pub is_current: bool,
}

/// The containers of a pod that have a status, those that initialize it first.
pub fn containers(pod: &Object) -> impl Iterator<Item = Container<'_>> {
    let fields = [
        ("/status/initContainerStatuses", "/spec/initContainers"),
        ("/status/containerStatuses", "/spec/containers"),
    ];
    fields.into_iter().flat_map(move |(statuses, specs)| {
        pod.list(statuses).iter().map(move |status| {
            let is_its = |spec: &&Value| text(spec, "/name") == text(status, "/name");
            let spec = pod.list(specs).iter().find(is_its).unwrap_or(&Value::Null);
            Container { status, spec, is_init: specs == "/spec/initContainers" }
        })
    })
}

impl<'p> Container<'p> {
    /// Its name.
    pub fn name(&self) -> &'p str {
        text(self.status, "/name")
    }

    /// Reason and message of its waiting.
    pub fn waiting(&self) -> Option<(&'p str, &'p str)> {
        let waiting = self.status.pointer("/state/waiting")?;
        Some((text(waiting, "/reason"), text(waiting, "/message")))
    }

    /// True if it waits to be created for the first time: for volumes, the network or another container.
    pub fn waits_to_be_created(&self) -> bool {
        matches!(self.waiting(), Some(("" | "ContainerCreating" | "PodInitializing", _)))
            && self.status.pointer("/lastState/terminated").is_none()
    }

    /// True if an instance runs now.
    pub fn is_running(&self) -> bool {
        self.status.pointer("/state/running").is_some()
    }

    /// Seconds since 1970 at which the present instance began.
    pub fn running_since(&self) -> Option<u64> {
        time::parse(text(self.status, "/state/running/startedAt"))
    }

    /// The last end of an instance.
    pub fn end(&self) -> Option<End<'p>> {
        let (end, is_current) = match self.status.pointer("/state/terminated") {
            Some(end) => (end, true),
            None => (self.status.pointer("/lastState/terminated")?, false),
        };
        Some(End {
            reason: text(end, "/reason"),
            message: text(end, "/message"),
            code: end.pointer("/exitCode").and_then(Value::as_i64).unwrap_or_default(),
            started: time::parse(text(end, "/startedAt")),
            finished: time::parse(text(end, "/finishedAt")),
            is_current,
        })
    }

    /// The last end, unless it is history: long ago, and the container runs and is ready.
    pub fn recent_end(&self, now: u64) -> Option<End<'p>> {
        let end = self.end()?;
        let is_long_ago = end.finished.is_none_or(|finished| now.saturating_sub(finished) > RECENT);
        let works = self.is_ready() || (self.is_init && !self.is_sidecar() && end.code == 0);
        (!(is_long_ago && works)).then_some(end)
    }

    /// Restarts so far.
    pub fn restarts(&self) -> i64 {
        self.status.pointer("/restartCount").and_then(Value::as_i64).unwrap_or_default()
    }

    /// True if it is ready.
    pub fn is_ready(&self) -> bool {
        self.status.pointer("/ready").and_then(Value::as_bool).unwrap_or_default()
    }

    /// True if its startup probe has succeeded, or if it has none and runs. Kubelets before 1.18 did not say.
    pub fn is_started(&self) -> bool {
        self.status.pointer("/started").and_then(Value::as_bool).unwrap_or(self.is_running())
    }

    /// True if it initializes the pod and then goes on beside the other containers.
    pub fn is_sidecar(&self) -> bool {
        self.is_init && text(self.spec, "/restartPolicy") == "Always"
    }

    /// `container app` or `init container app`
    pub fn title(&self) -> String {
        let kind = match (self.is_init, self.is_sidecar()) {
            (true, false) => "init container",
            (true, true) => "sidecar",
            _ => "container",
        };
        format!("{kind} {}", self.name())
    }

    /// Its command and arguments in one line; empty if the image decides.
    pub fn command(&self) -> String {
        let words = ["/command", "/args"].into_iter().flat_map(|field| list(self.spec, field));
        words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Pods whose state still matters: not those that succeeded, that are being deleted, or that others have replaced.
pub fn judged_pods(facts: &Facts) -> impl Iterator<Item = &Object> {
    facts.all(Kind::Pod).filter(|pod| !is_over(facts, pod))
}

fn is_over(facts: &Facts, pod: &Object) -> bool {
    match pod.text("/status/phase") {
        "Succeeded" => true,
        "Failed" => {
            pod.text("/status/reason") == "Evicted"
                || facts.owner(pod).is_some_and(|owner| {
                    health::health(facts, owner).is_some_and(|health| health.state <= State::Intended)
                        || is_superseded(facts, owner)
                })
        }
        _ => pod.deleted().is_some(),
    }
}

/// True if a later Job of the same CronJob is complete.
fn is_superseded(facts: &Facts, job: &Object) -> bool {
    let Some(cron) = facts.owner(job).filter(|owner| owner.kind() == Kind::CronJob) else { return false };
    let is_complete =
        |job: &Object| job.condition("Complete").is_some_and(|condition| condition.status == "True");
    facts.owned_by(cron).any(|other| other.created() > job.created() && is_complete(other))
}

/// Seconds for which a pod has been on a node without all of its containers; 0 if it is on none.
pub fn seconds_on_node(facts: &Facts, pod: &Object) -> u64 {
    if pod.text("/spec/nodeName").is_empty() {
        return 0;
    }
    let since = time::parse(pod.text("/status/startTime"));
    let since =
        since.or(pod.condition("PodScheduled").and_then(|condition| condition.since)).or(pod.created());
    since.map_or(0, |since| facts.now.saturating_sub(since))
}
