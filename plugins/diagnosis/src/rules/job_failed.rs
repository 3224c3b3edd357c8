//! A Job that has given up: too many failed pods, its deadline passed, or a rule of its own for failed pods.
//!
//! Evidence: the condition Failed, or FailureTarget while its pods are ended; the newest failed pod, if it is still there.
//! Not to be taken for: failed pods of a Job that is complete, an older run of a CronJob after which another one ended.
//! Source: kubernetes/pkg/controller/job/job_controller.go.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object, health, history,
    object::{list, text},
};

pub(super) const RULE: Rule = Rule { id: "job-failed", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Job).filter_map(|job| of(facts, job)).collect()
}

fn of(facts: &Facts, job: &Object) -> Option<Finding> {
    let failed = ["Failed", "FailureTarget"];
    let condition =
        failed.iter().filter_map(|kind| job.condition(kind)).find(|condition| condition.status == "True")?;
    let number = |pointer: &str| job.number(pointer).unwrap_or(0);
    let tries = number("/status/failed");
    let (summary, next) = match condition.reason {
        "BackoffLimitExceeded" => (
            format!(
                "it has given up after {tries} failed pods (backoffLimit {})",
                job.number("/spec/backoffLimit").unwrap_or(6)
            ),
            "mend what fails in its pods, then make the Job anew",
        ),
        "DeadlineExceeded" => (
            format!(
                "it was ended because it ran longer than its activeDeadlineSeconds of {}",
                number("/spec/activeDeadlineSeconds")
            ),
            "find out what took so long, or give it more time, then make the Job anew",
        ),
        "PodFailurePolicy" => (
            "a rule of its podFailurePolicy ended it".to_owned(),
            "mend what the policy names, then make the Job anew",
        ),
        "FailedIndexes" | "MaxFailedIndexesExceeded" => (
            "pods of some of its indexes failed".to_owned(),
            "look at the pods of the failed indexes, then make the Job anew",
        ),
        reason => (format!("it has failed: {reason}"), "look at its pods, then make the Job anew"),
    };
    let mut finding = Finding::new(RULE.id, job.reference(), summary)
        .with(Evidence::quote(
            condition.reason,
            condition.message,
            format!("condition of {}", job.reference()),
        ))
        .affects(facts.root(job).reference())
        .next(next)
        .symptom();
    let mut pods: Vec<&Object> =
        facts.pods_of(job).into_iter().filter(|pod| pod.text("/status/phase") == "Failed").collect();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.created()));
    if let Some(pod) = pods.first() {
        finding = with_pod(facts, pod, finding);
    } else if facts.is_listed(Kind::Pod, job.namespace()) {
        finding = finding
            .with(Evidence::fact("its failed pods are gone, and their logs with them", "list of pods"));
    }
    if let Some(complete) = last_success(facts, job) {
        finding = finding.with(Evidence::fact(
            format!("the last run that completed is {}", complete.name()),
            "status of the CronJob's Jobs",
        ));
    }
    // Older tries are history.
    Some(pods.iter().take(1).fold(finding, |finding, pod| finding.affects(pod.reference())))
}

/// The end of the newest failed pod, and of its log.
fn with_pod(facts: &Facts, pod: &Object, mut finding: Finding) -> Finding {
    let ended = health::containers_with(pod, "/state/terminated").find(|(_, ended)| {
        ended.pointer("/exitCode").and_then(serde_json::Value::as_i64).is_some_and(|code| code != 0)
    });
    if let Some((container, ended)) = ended {
        let code = ended.pointer("/exitCode").and_then(serde_json::Value::as_i64).unwrap_or_default();
        let label = format!("container {container} ended with exit code {code}, {}", text(ended, "/reason"));
        let place = format!("status of {}, the newest failed one", pod.reference());
        finding = finding.with(Evidence::quote(label, text(ended, "/message"), place));
        let log = facts.logs(pod).find(|log| log.container == container);
        if let Some((_, line)) = log.and_then(|log| log.lines().rfind(|(_, line)| !line.trim().is_empty())) {
            finding = finding.with(Evidence::quote("last line", line, format!("log {container}")));
        }
    } else if !pod.text("/status/message").is_empty() {
        finding = finding.with(Evidence::quote(
            "",
            pod.text("/status/message"),
            format!("status of {}", pod.reference()),
        ));
    }
    let policy = list(pod.at("/status").unwrap_or(&serde_json::Value::Null), "/conditions").iter();
    let target = policy
        .filter(|condition| text(condition, "/type") == "DisruptionTarget")
        .find(|condition| text(condition, "/status") == "True");
    match target {
        Some(target) => finding.with(Evidence::quote(
            "the pod was disrupted",
            text(target, "/message"),
            "condition DisruptionTarget",
        )),
        None => finding,
    }
}

fn last_success<'f>(facts: &'f Facts, job: &'f Object) -> Option<&'f Object> {
    let owner = facts.owner(job).filter(|owner| owner.kind() == Kind::CronJob)?;
    history::runs(facts, owner).into_iter().find(|run| health::is_condition(run, "Complete"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Facts, Log,
        recorded::{Recorded, object, owned, pod, with},
        render::fact,
    };

    fn failed(name: &str, reason: &str, created: &str) -> Value {
        let conditions = json!([{"type": "Failed", "status": "True", "reason": reason, "message": "Job has reached the specified backoff limit"}]);
        let mut job = with(
            "Job",
            name,
            json!({"backoffLimit": 2, "activeDeadlineSeconds": 60}),
            json!({"failed": 3, "conditions": conditions}),
        );
        job["metadata"]["creationTimestamp"] = created.into();
        job
    }

    fn attempt(name: &str, code: i64, job: &Value, created: &str) -> Value {
        let ended = json!({"exitCode": code, "reason": "Error"});
        let status = json!({"phase": "Failed", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"terminated": ended}}]});
        let mut pod = owned(pod(name, json!({"containers": [{"name": "app"}]}), status), job);
        pod["metadata"]["creationTimestamp"] = created.into();
        pod
    }

    #[test]
    fn the_newest_failed_pod_and_its_log_say_why() {
        let job = failed("migrate", "BackoffLimitExceeded", "2026-11-24T11:00:00Z");
        let pods = [
            attempt("migrate-z", 9, &job, "2026-11-24T11:01:00Z"),
            attempt("migrate-a", 3, &job, "2026-11-24T11:02:00Z"),
        ];
        let cluster = Recorded::new(&[&[job.clone()][..], &pods].concat()).log(
            "app",
            false,
            "begin\nno such table: users",
        );
        // A rule of containers may name the cause in place of the Job.
        let answer = cluster.ask("migrate");
        assert!(answer.contains("code 3") && answer.contains("`no such table: users`"), "{answer}");
        assert!(!answer.contains("code 9") && !answer.contains("cause 2"), "{answer}");
        let answer = Recorded::new(std::slice::from_ref(&job)).ask("migrate");
        let summary = "[job-failed] Job shop/migrate: it has given up after 3 failed pods (backoffLimit 2)";
        assert!(answer.contains(summary) && answer.contains("its failed pods are gone"), "{answer}");
        let answer = Recorded::new(&[job]).deny(crate::Kind::Pod).ask("migrate");
        assert!(answer.contains(summary) && !answer.contains("are gone"), "{answer}");
        let answer = Recorded::new(&[failed("slow", "DeadlineExceeded", "2026-11-24T11:00:00Z")]).ask("slow");
        assert!(answer.contains("longer than its activeDeadlineSeconds of 60"), "{answer}");
    }

    #[test]
    fn a_run_that_a_newer_one_superseded_is_no_fault() {
        let cron = with(
            "CronJob",
            "report",
            json!({"schedule": "0 * * * *"}),
            json!({"lastScheduleTime": "2026-11-24T11:00:00Z"}),
        );
        let old = owned(failed("report-1", "BackoffLimitExceeded", "2026-11-24T10:00:00Z"), &cron);
        let pod = attempt("report-1-x", 1, &old, "2026-11-24T10:00:00Z");
        let mut good = owned(
            with(
                "Job",
                "report-2",
                json!({}),
                json!({"conditions": [{"type": "Complete", "status": "True"}]}),
            ),
            &cron,
        );
        good["metadata"]["creationTimestamp"] = "2026-11-24T11:00:00Z".into();
        let answer = Recorded::new(&[cron.clone(), old.clone(), pod.clone(), good.clone()]).ask("report");
        assert!(answer.contains("no fault found"), "{answer}");
        let answer = Recorded::new(&[
            cron.clone(),
            old.clone(),
            pod.clone(),
            good.clone(),
            object("Namespace", "shop"),
        ])
        .ask_for("", "shop", "");
        assert!(answer.contains("no fault found"), "{answer}");
        good["metadata"]["creationTimestamp"] = "2026-11-24T09:00:00Z".into();
        let answer = Recorded::new(&[cron, old, good]).ask("report");
        assert!(answer.contains("[job-failed] Job shop/report-1"), "{answer}");
        assert!(
            answer.contains("its last run failed") && answer.contains("completed is report-2"),
            "{answer}"
        );
    }

    #[test]
    fn the_reason_of_a_job_that_failed_is_told() {
        for (reason, words) in [
            ("PodFailurePolicy", "Job shop/load: a rule of its podFailurePolicy ended it"),
            ("FailedIndexes", "pods of some of its indexes failed"),
            ("MaxFailedIndexesExceeded", "pods of some of its indexes failed"),
            ("Other", "it has failed: Other"),
        ] {
            Recorded::new(&[failed("load", reason, "2026-11-24T11:00:00Z")]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn the_failed_pod_of_a_job_and_the_log_of_its_container_are_shown() {
        let job = failed("load", "PodFailurePolicy", "2026-11-24T11:00:00Z");
        let pod = attempt("load-a", 3, &job, "2026-11-24T11:01:00Z");
        let mut runs = attempt("load-b", 4, &job, "2026-11-24T11:02:00Z");
        runs["status"]["phase"] = "Running".into();
        let mut facts = Recorded::new(&[job.clone(), pod.clone(), runs]).facts();
        for (container, text) in [("proxy", "drained"), ("app", "no such table")] {
            facts.add_log(Log {
                namespace: "shop".into(),
                pod: "load-a".into(),
                container: container.into(),
                text: format!("2026-11-24T11:59:00Z {text}\n"),
                ..Log::default()
            });
        }
        let shown = |facts: &Facts| {
            let findings = (RULE.find)(facts);
            findings[0].evidence.iter().map(fact).collect::<String>()
        };
        let evidence = shown(&facts);
        assert!(evidence.contains("code 3") && evidence.contains("no such table"), "{evidence}");
        assert!(!evidence.contains("code 4") && !evidence.contains("drained"), "{evidence}");
        let mut pod = pod;
        pod["status"] =
            json!({"phase": "Failed", "message": "Pod was active on the node longer than the deadline"});
        let evidence = shown(&Recorded::new(&[job, pod]).facts());
        assert!(evidence.contains("longer than the deadline"), "{evidence}");
    }
}
