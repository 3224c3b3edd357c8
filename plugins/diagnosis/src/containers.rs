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
    /// The last words of the runtime or the container; may be empty.
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
            // A finalizer may keep a pod that was deleted, whose containers were told to end.
            pod.deleted().is_some()
                || pod.text("/status/reason") == "Evicted"
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::containers;
    use crate::{
        Kind, Object,
        recorded::{NOW, Recorded, event, object, pod, running},
        time,
    };

    fn status(name: &str, ready: bool, state: Value) -> Value {
        json!({"name": name, "ready": ready, "restartCount": 0, "state": state})
    }

    fn ended(code: i64) -> Value {
        json!({"terminated": {"exitCode": code, "reason": "Error", "finishedAt": "2026-11-24T11:30:00Z"}})
    }

    fn of(kind: &str, name: &str, mut object: Value) -> Value {
        object["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        object
    }

    #[test]
    fn healthy_look_alikes_are_no_fault() {
        let spec = json!({"nodeName": "n1", "containers": [{"name": "app"}]});
        let done = pod(
            "subject",
            spec.clone(),
            json!({"phase": "Succeeded", "containerStatuses": [status("app", false, ended(0)), status("proxy", false, ended(255))]}),
        );
        let mut deleted = pod(
            "subject",
            spec.clone(),
            json!({"phase": "Running", "containerStatuses": [status("app", false, ended(137))]}),
        );
        deleted["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:20Z".into();
        let creating = json!({"waiting": {"reason": "ContainerCreating"}});
        let young = pod(
            "subject",
            spec.clone(),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:59:40Z", "containerStatuses": [status("app", false, creating)],
                "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}]}),
        );
        for pod in [done, deleted, young] {
            let answer = Recorded::new(&[pod]).ask("subject");
            assert!(answer.contains("no fault found"), "{answer}");
        }
    }

    #[test]
    fn a_failed_run_that_a_later_one_made_good_is_history() {
        let mut cron = object("CronJob", "subject");
        cron["spec"] = json!({"schedule": "@hourly"});
        let job = |name: &str, at: &str, condition: &str| {
            let mut job = of("CronJob", "subject", object("Job", name));
            job["metadata"]["creationTimestamp"] = at.into();
            job["status"] = json!({"conditions": [{"type": condition, "status": "True", "reason": "x"}]});
            job
        };
        let failed = of(
            "Job",
            "subject-1",
            pod(
                "subject-1-x",
                json!({}),
                json!({"phase": "Failed", "containerStatuses": [status("app", false, ended(1))]}),
            ),
        );
        let first = job("subject-1", "2026-11-24T10:00:00Z", "Failed");
        let answer = Recorded::new(&[cron.clone(), first.clone(), failed.clone()]).ask("subject");
        assert!(answer.contains("[container-exits] CronJob shop/subject"), "{answer}");
        let second = job("subject-2", "2026-11-24T11:00:00Z", "Complete");
        let answer = Recorded::new(&[cron, first, second, failed]).ask("subject");
        assert!(!answer.contains("container-exits"), "{answer}");
    }

    /// The names of the pods that count of a CronJob's Jobs, each with a failed pod.
    fn judged(runs: &[(&str, &str)]) -> Vec<String> {
        let mut objects = vec![object("CronJob", "nightly")];
        for (hour, condition) in runs {
            let name = format!("nightly-{hour}");
            let mut job = of("CronJob", "nightly", object("Job", &name));
            job["metadata"]["creationTimestamp"] = format!("2026-11-24T{hour}:00:00Z").into();
            job["status"] = json!({"conditions": [{"type": condition, "status": "True"}]});
            objects.extend([job, of("Job", &name, pod(&name, json!({}), json!({"phase": "Failed"})))]);
        }
        let facts = Recorded::new(&objects).facts();
        super::judged_pods(&facts).map(|pod| pod.name().to_owned()).collect()
    }

    #[test]
    fn only_a_later_run_that_is_complete_makes_a_failed_one_good() {
        assert_eq!(judged(&[("10", "Failed"), ("11", "Complete")]), Vec::<String>::new());
        assert_eq!(judged(&[("10", "Complete"), ("11", "Failed")]), ["nightly-11"]);
        assert_eq!(judged(&[("10", "Failed"), ("11", "Failed")]), ["nightly-10", "nightly-11"]);
    }

    #[test]
    fn an_end_of_long_ago_is_history_of_what_is_ready_or_has_initialized() {
        let (recent, long_ago) = ("2026-11-24T11:30:00Z", "2026-11-04T12:00:00Z");
        let init = json!({"name": "app"});
        let sidecar = json!({"name": "app", "restartPolicy": "Always"});
        for (field, spec, ready, code, finished, expected) in [
            ("containers", &init, true, 1, long_ago, false),
            ("containers", &init, true, 1, recent, true),
            ("containers", &init, false, 0, long_ago, true),
            ("initContainers", &init, false, 0, long_ago, false),
            ("initContainers", &init, false, 0, recent, true),
            ("initContainers", &init, false, 1, long_ago, true),
            ("initContainers", &sidecar, false, 0, long_ago, true),
        ] {
            let end = json!({"terminated": {"exitCode": code, "finishedAt": finished}});
            let statuses = if field == "containers" { "containerStatuses" } else { "initContainerStatuses" };
            let pod = pod("web", json!({field: [spec]}), json!({statuses: [status("app", ready, end)]}));
            let (pod, now) = (Object::new(Kind::Pod, pod), time::parse(NOW).unwrap());
            let end = containers(&pod).next().unwrap().recent_end(now);
            assert_eq!(end.is_some(), expected, "{field} {spec} {ready} {code} {finished}");
        }
    }

    #[test]
    fn the_title_of_a_container_is_its_part_in_the_pod() {
        let spec = json!({"containers": [{"name": "app"}],
            "initContainers": [{"name": "init"}, {"name": "mesh", "restartPolicy": "Always"}]});
        let state = || json!({"waiting": {}});
        let status = json!({"containerStatuses": [status("app", false, state())],
            "initContainerStatuses": [status("init", false, state()), status("mesh", false, state())]});
        let pod = Object::new(Kind::Pod, pod("web", spec, status));
        let titles: Vec<String> = containers(&pod).map(|container| container.title()).collect();
        assert_eq!(titles, ["init container init", "sidecar mesh", "container app"]);
    }

    #[test]
    fn events_count_in_the_form_of_a_series_and_not_of_an_older_pod() {
        let mut web = running("subject");
        web["status"] = json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z",
            "containerStatuses": [status("app", false, json!({"waiting": {"reason": "ContainerCreating"}}))]});
        let mut failed = event(
            &web,
            "FailedMount",
            "MountVolume.SetUp failed for volume \"key\" : secret \"tls-web\" not found",
        );
        failed["lastTimestamp"] = Value::Null;
        failed["eventTime"] = "2026-11-24T11:01:00.000000Z".into();
        failed["series"] = json!({"count": 30, "lastObservedTime": "2026-11-24T11:59:10.000000Z"});
        let answer = Recorded::new(&[web.clone(), failed.clone()]).ask("subject");
        assert!(
            answer.contains("[config-missing] Secret shop/tls-web") && answer.contains("x30, last 50s ago"),
            "{answer}"
        );
        failed["involvedObject"]["uid"] = "of-an-older-one".into();
        let answer = Recorded::new(&[web, failed]).ask("subject");
        assert!(!answer.contains("config-missing"), "{answer}");
    }
}
