//! A container whose process ends: with an error, by a signal, or with code 0 although it should go on.
//!
//! Evidence: the exit code of its last end; its last words (the termination message, or the log of that instance).
//! Not to be taken for: a kill for memory or by a probe, a process that never began, an end of long ago, a Job that was
//! done again and is complete. A consequence, if the log speaks of a host that cannot be reached.
//! Source: kubernetes/pkg/kubelet/kuberuntime; signal(7) for codes above 128.

use super::{
    Rule,
    log_trouble::hosts_in_log,
    out_of_memory::{is_out_of_memory, is_unexplained_kill},
};
use crate::{
    Evidence, Facts, Finding, Kind, Log, Object, Reference,
    containers::{Container, End, containers, judged_pods},
    exit::{clue, is_about_a_host, meaning},
    health, probes, time,
    trouble::all_hosts,
};

pub(super) const RULE: Rule = Rule { id: "container-exits", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| containers(pod).filter_map(|container| of(facts, pod, container)))
        .collect()
}

fn of(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let job = facts.owner(pod).filter(|owner| owner.kind() == Kind::Job);
    // Of the tries of a Job the last one counts.
    if job.is_some_and(|job| facts.pods_of(job).iter().any(|other| other.created() > pod.created())) {
        return None;
    }
    let is_loop = container.waiting().is_some_and(|(reason, _)| reason == "CrashLoopBackOff");
    let Some(end) = container.recent_end(facts.now) else {
        return is_loop.then(|| unknown(facts, pod, container));
    };
    let is_other_fault = is_out_of_memory(&end)
        || is_unexplained_kill(pod, container, &end)
        || matches!(
            end.reason,
            "StartError" | "ContainerCannotRun" | "ContainerCreateError" | "ContainerStatusUnknown"
        )
        || probes::kill(facts, pod, container).is_some();
    // Sidecars are told to end when the others have ended.
    let is_told = container.is_sidecar() && pod.text("/status/phase") == "Failed" && end.code != 1;
    // Between two tries no word says that it is a loop.
    let is_again = end.is_current
        && container.restarts() > 1
        && !container.is_init
        && matches!(pod.text("/spec/restartPolicy"), "" | "Always");
    if is_other_fault || is_told || (end.code == 0 && !is_loop && !is_again) {
        return None;
    }
    let log = log(facts, pod, container);
    let said = log.map(Log::last_words).unwrap_or_default();
    let words = said.join("\n") + "\n" + end.message;
    let (clue, next) = clue(&end, &words);
    let exits = if container.is_ready() { "has exited" } else { "exits" };
    let summary = format!("{} {exits} with code {}{}{clue}", container.title(), end.code, meaning(end.code));
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::fact(state(facts, container, &end), format!("status of {}", pod.reference())));
    let mut finding = with_log(finding, log, container);
    let gave_up =
        |job: &&Object| ["Failed", "FailureTarget"].iter().any(|kind| health::is_condition(job, kind));
    if let Some(job) = job.filter(gave_up) {
        let tries = job.number("/status/failed").unwrap_or(0);
        finding = finding.affects(job.reference()).with(Evidence::fact(
            format!("the Job has given up after {tries} failed pods"),
            format!("status of {}", job.reference()),
        ));
    }
    // A pod that is ended as a whole has a reason of its own, such as DeadlineExceeded.
    if container.is_ready() || !pod.text("/status/reason").is_empty() {
        finding = finding.symptom();
    }
    if !end.message.trim().is_empty() {
        finding = finding.with(Evidence::quote("its last message", end.message, "terminated.message"));
    }
    let hosts = all_hosts(said.iter().copied());
    if is_about_a_host(&words) && !hosts.is_empty() {
        finding = finding.with(hosts_in_log(facts, pod, &hosts)).symptom();
    }
    let command = container.command();
    if said.is_empty() && !command.is_empty() {
        finding = finding.with(Evidence::quote("command and args", command, "spec"));
    }
    Some(finding.next(next))
}

/// A container that is restarted again and again, of whose ends nothing is known: a runtime that lost its state.
fn unknown(facts: &Facts, pod: &Object, container: Container<'_>) -> Finding {
    let (reason, message) = container.waiting().unwrap_or_default();
    let summary =
        format!("{} is restarted again and again, and its last exit code is not known", container.title());
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .symptom()
        .with(Evidence::quote(reason, message, format!("status of {}", pod.reference())));
    with_log(finding, log(facts, pod, container), container)
        .next("see with pods_log, previous=true, how it ended")
}

fn with_log(finding: Finding, log: Option<&Log>, container: Container<'_>) -> Finding {
    let place = format!("log of {}", container.title());
    let Some(log) = log else { return finding };
    match log.last_words() {
        said if said.is_empty() => finding.with(Evidence::fact("it logged nothing (empty log)", place)),
        said => finding.with(Evidence::lines("it logged", &said, place)),
    }
}

/// The log of the instance that ended; of a pod of the same workload, if that one's was read.
fn log<'f>(facts: &'f Facts, pod: &'f Object, container: Container<'_>) -> Option<&'f Log> {
    let is_its = |log: &&Log| log.container == container.name() && !log.is_search;
    let is_sibling = |log: &&Log| {
        let other = facts.get(&Reference::new(Kind::Pod, &log.namespace, &log.pod));
        other.is_some_and(|other| facts.root(other).reference() == facts.root(pod).reference())
    };
    facts.logs(pod).find(is_its).or_else(|| facts.all_logs().filter(is_its).find(is_sibling))
}

fn state(facts: &Facts, container: Container<'_>, end: &End<'_>) -> String {
    let ran = end.started.zip(end.finished).map(|(started, finished)| finished.saturating_sub(started));
    let ran = ran.map(|ran| format!(", after {}", time::age(ran))).unwrap_or_default();
    let ago = end.finished.map(|at| time::age(facts.now.saturating_sub(at)));
    let ago = ago.map(|ago| format!(", last {ago} ago")).unwrap_or_default();
    let now = match container.waiting() {
        Some((reason, _)) => format!(", now {reason}"),
        None if container.is_running() => ", now running again".to_owned(),
        None => String::new(),
    };
    format!("{}, exit code {}, {} restarts{ran}{ago}{now}", end.reason, end.code, container.restarts())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, pod};

    fn crashed(code: i64, message: &str) -> Value {
        let reason = if code == 0 { "Completed" } else { "Error" };
        let last = json!({"terminated": {"exitCode": code, "reason": reason, "message": message,
            "startedAt": "2026-11-24T11:58:00Z", "finishedAt": "2026-11-24T11:58:03Z"}});
        pod(
            "store-1",
            json!({"nodeName": "n1", "containers": [{"name": "db", "command": ["db", "--fast"]}]}),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "db", "ready": false, "restartCount": 5, "lastState": last,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}]}),
        )
    }

    #[test]
    fn the_first_reason_of_the_log_is_quoted() {
        let log = "starting\n\"root\" execution of the server is not permitted.\nThe server must be started under an unprivileged user";
        let answer = Recorded::new(&[crashed(1, "")]).log("db", true, log).ask("store-1");
        assert!(
            answer.contains(
                "cause 1 (certain) [container-exits] Pod shop/store-1: container db exits with code 1"
            ),
            "{answer}"
        );
        assert!(answer.contains("`\"root\" execution of the server is not permitted.`"), "{answer}");
        assert!(
            answer.contains("5 restarts, after 3s, last") && answer.contains("now CrashLoopBackOff"),
            "{answer}"
        );
        assert!(!answer.contains("`starting`"), "{answer}");
    }

    #[test]
    fn words_of_the_log_say_what_kind_of_fault_it_is() {
        for (code, log, words) in [
            (255, "exec /app: exec format error", "built for another architecture"),
            (
                1,
                "mkdir: can't create directory '/data/x': Read-only file system",
                "its log says: read-only file system",
            ),
            (1, "open /etc/key: permission denied", "its log says: permission denied"),
            (127, "sh: foo: not found", "(command not found)"),
            (139, "", "it logged nothing"),
            (0, "done", "although it should go on"),
        ] {
            let answer = Recorded::new(&[crashed(code, "")]).log("db", true, log).ask("store-1");
            assert!(answer.contains("[container-exits]") && answer.contains(words), "{words}: {answer}");
        }
        let answer = Recorded::new(&[crashed(1, "config: key port is missing")]).ask("store-1");
        assert!(answer.contains("`config: key port is missing` [terminated.message]"), "{answer}");
    }

    #[test]
    fn a_failed_job_shows_the_host_that_it_cannot_reach() {
        let mut job = object("Job", "check");
        job["status"] = json!({"failed": 2, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
        let mut failed = pod(
            "check-x",
            json!({"containers": [{"name": "beans"}]}),
            json!({"phase": "Failed", "containerStatuses": [{"name": "beans", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-24T11:58:03Z"}}}]}),
        );
        failed["metadata"]["ownerReferences"] = json!([{"kind": "Job", "name": "check", "controller": true}]);
        let log = "Java Network Exception:\nAttempt 1: java.net.ConnectException: Connection refused\n\tat a.b.C(D.java:1)\nTarget host: main-db, port: 4444\nFATAL: Unable to connect";
        let answer = Recorded::new(&[job.clone(), failed.clone()]).log("beans", false, log).ask("check");
        assert!(
            answer.contains(
                "[container-exits] Job shop/check: container beans exits with code 1; its log says: a host cannot be reached"
            ),
            "{answer}"
        );
        assert!(
            answer.contains("there is no Service main-db in shop; hosts in it: `main-db:4444`"),
            "{answer}"
        );
        assert!(answer.contains("`FATAL: Unable to connect`") && !answer.contains("at a.b.C"), "{answer}");
        job["status"] =
            json!({"succeeded": 1, "failed": 1, "conditions": [{"type": "Complete", "status": "True"}]});
        let answer = Recorded::new(&[job, failed]).log("beans", false, log).ask("check");
        assert!(!answer.contains("container-exits"), "{answer}");
    }

    #[test]
    fn a_loop_without_a_known_end_is_told_as_one() {
        let mut pod = crashed(1, "");
        pod["status"]["containerStatuses"][0]["lastState"] = json!({});
        let answer = Recorded::new(&[pod]).log("db", true, "FATAL: no licence").ask("store-1");
        assert!(
            answer.contains("restarted again and again") && answer.contains("FATAL: no licence"),
            "{answer}"
        );
    }

    /// Between its end and the next back-off a container shows no word of a loop.
    #[test]
    fn a_container_that_ends_with_0_again_and_again_is_told_while_it_is_down() {
        let mut pod = crashed(0, "");
        let end = pod["status"]["containerStatuses"][0]["lastState"].clone();
        pod["status"]["containerStatuses"][0]["state"] = end;
        let answer = Recorded::new(&[pod.clone()]).ask("store-1");
        assert!(answer.contains("[container-exits]") && answer.contains("exits with code 0"), "{answer}");
        for (field, value) in
            [("restartCount", json!(1)), ("state", json!({"running": {"startedAt": "2026-11-24T11:59:55Z"}}))]
        {
            let mut other = pod.clone();
            other["status"]["containerStatuses"][0][field] = value;
            let answer = Recorded::new(&[other]).ask("store-1");
            assert!(!answer.contains("[container-exits]"), "{field}: {answer}");
        }
        pod["spec"]["restartPolicy"] = "OnFailure".into();
        let answer = Recorded::new(&[pod]).ask("store-1");
        assert!(!answer.contains("[container-exits]"), "{answer}");
    }

    /// The containers of a pod that is deleted are told to end, and its finalizer may keep it long after.
    #[test]
    fn a_deleted_pod_that_a_finalizer_keeps_has_no_fault_of_its_containers() {
        let mut pod = crashed(137, "");
        pod["status"]["phase"] = "Failed".into();
        pod["metadata"]["deletionTimestamp"] = "2026-11-24T11:58:05Z".into();
        pod["metadata"]["finalizers"] = json!(["acme.io/drain"]);
        let answer = Recorded::new(&[pod]).ask("store-1");
        assert!(answer.contains("[stuck-terminating]") && !answer.contains("[container-exits]"), "{answer}");
    }

    #[test]
    fn what_ended_long_ago_and_serves_again_is_history() {
        let mut pod = crashed(1, "");
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        let status = &mut pod["status"]["containerStatuses"][0];
        status["ready"] = true.into();
        status["state"] = json!({"running": {"startedAt": "2026-11-04T12:00:00Z"}});
        status["lastState"]["terminated"]["finishedAt"] = "2026-11-04T12:00:00Z".into();
        let answer = Recorded::new(&[pod]).ask("store-1");
        assert!(!answer.contains("container-exits"), "{answer}");
    }
}
