//! A CronJob that has not started the runs that its schedule wants, or cannot.
//!
//! Evidence: the controller's events; without them, at least two due times since `lastScheduleTime`.
//! Not to be taken for: a CronJob between two runs, one that is suspended, one whose active run blocks the next.
//! Source: kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go.

use super::Rule;
use crate::{Certainty, Event, Evidence, Facts, Finding, Kind, Object, schedule::Schedule, time};

pub(super) const RULE: Rule = Rule { id: "cronjob-missed", find };

/// Seconds after a due time in which a run may still be started.
const SLACK: u64 = 120;

fn find(facts: &Facts) -> Vec<Finding> {
    let wanted = |job: &&Object| !job.flag("/spec/suspend") && job.deleted().is_none();
    facts.all(Kind::CronJob).filter(wanted).filter_map(|job| of(facts, job)).collect()
}

fn of(facts: &Facts, job: &Object) -> Option<Finding> {
    let last = time::parse(job.text("/status/lastScheduleTime"));
    // Events from before the last run are over.
    let events: Vec<Event> = facts
        .events(job)
        .into_iter()
        .filter(|event| last.is_none_or(|last| event.last_seen() > last))
        .collect();
    let named = events.iter().filter(|event| is_present(job, event));
    if let Some((event, (summary, next))) =
        named.into_iter().find_map(|event| Some((event, cause(event.reason())?)))
    {
        let place = format!("event {} x{}", event.reason(), event.count());
        let finding = Finding::new(RULE.id, job.reference(), summary)
            .with(Evidence::quote("", event.message(), place))
            .next(next);
        // The reason has rules of its own.
        return Some(if event.reason() == "FailedCreate" {
            finding.certainty(Certainty::Likely).symptom()
        } else {
            finding
        });
    }
    let is_blocked =
        !job.list("/status/active").is_empty() && job.text("/spec/concurrencyPolicy") == "Forbid";
    let schedule = Schedule::parse(job.text("/spec/schedule")).filter(|_| !is_blocked)?;
    let since = last.or(job.created())?;
    let first = schedule.next(since)?;
    // Time zones shift a due time, but cannot bring a second one nearer than the schedule has it.
    let second = schedule.next(first).filter(|second| second + SLACK < facts.now)?;
    let age = time::age(facts.now.saturating_sub(since));
    let since = if last.is_some() {
        format!("its last Job was started {age} ago")
    } else {
        format!("it has started no Job since it was made {age} ago")
    };
    let mut finding = Finding::new(RULE.id, job.reference(), "runs of its schedule were not started")
        .with(Evidence::fact(
            format!("{since}, and at least two were due since: schedule {}", job.text("/spec/schedule")),
            format!("status of {}", job.reference()),
        ))
        .certainty(Certainty::Likely)
        .next("look at the events of the CronJob, and whether kube-controller-manager runs");
    if let Some(seconds) = job.number("/spec/startingDeadlineSeconds") {
        let gap = second.saturating_sub(first);
        finding = finding.with(Evidence::fact(
            format!("a run that is more than {seconds}s late is left out; runs are {} apart", time::age(gap)),
            "spec.startingDeadlineSeconds",
        ));
    }
    Some(finding)
}

/// False for an event about a schedule or time zone that has been corrected since.
fn is_present(job: &Object, event: &Event) -> bool {
    let field = match event.reason() {
        "UnparseableSchedule" | "InvalidSchedule" => "/spec/schedule",
        "UnknownTimeZone" => "/spec/timeZone",
        _ => return true,
    };
    let present = job.text(field);
    !present.is_empty() && event.message().contains(present)
}

fn cause(reason: &str) -> Option<(&'static str, &'static str)> {
    Some(match reason {
        "MissSchedule" => (
            "a run was not started within its startingDeadlineSeconds",
            "raise startingDeadlineSeconds: the controller looks every 10 seconds",
        ),
        "TooManyMissedTimes" => (
            "it has missed more than 100 start times",
            "set startingDeadlineSeconds, and find out why runs were missed: a long pause, or a wrong clock",
        ),
        "UnparseableSchedule" | "InvalidSchedule" => ("its schedule is not valid", "correct spec.schedule"),
        "UnknownTimeZone" => ("its timeZone is not known", "correct spec.timeZone"),
        "FailedCreate" => ("its Jobs cannot be created", "mend what the message names"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, with};

    fn cron(schedule: &str, last: Value) -> Value {
        with("CronJob", "report", json!({"schedule": schedule}), json!({"lastScheduleTime": last}))
    }

    #[test]
    fn missed_runs_are_found_with_and_without_events() {
        let job = cron("*/10 * * * *", json!("2026-11-24T09:00:00Z"));
        let answer = Recorded::new(std::slice::from_ref(&job)).ask("report");
        assert!(
            answer.contains(
                "cause 1 (likely) [cronjob-missed] CronJob shop/report: runs of its schedule were not started"
            ),
            "{answer}"
        );
        assert!(answer.contains("its last Job was started 3h ago"), "{answer}");
        let mut zoned = cron("0 3 * * *", json!("2026-11-24T03:00:00Z"));
        zoned["spec"]["timeZone"] = "Mars/Base".into();
        let message = "invalid timeZone: \"Mars/Base\": unknown time zone Mars/Base";
        let event = event(&zoned, "UnknownTimeZone", message);
        let answer = Recorded::new(&[zoned.clone(), event.clone()]).ask("report");
        let cause = "cause 1 (certain) [cronjob-missed] CronJob shop/report: its timeZone is not known";
        assert!(answer.contains(cause), "{answer}");
        zoned["spec"]["timeZone"] = "Europe/Berlin".into();
        let answer = Recorded::new(&[zoned, event]).ask("report");
        assert!(answer.contains("no fault found"), "{answer}");
    }

    #[test]
    fn a_cron_job_between_its_runs_is_no_fault() {
        for (schedule, last) in [
            ("*/10 * * * *", json!("2026-11-24T11:50:00Z")),
            ("0 3 * * *", json!("2026-11-24T03:00:00Z")),
            ("0 3 * * *", Value::Null),
            ("@every 5m", Value::Null),
        ] {
            let answer = Recorded::new(&[cron(schedule, last)]).ask("report");
            assert!(answer.contains("no fault found"), "{answer}");
        }
    }

    #[test]
    fn the_events_of_a_cron_job_say_why_no_run_was_started() {
        for (reason, message, words) in [
            (
                "MissSchedule",
                "Missed scheduled time to start a job",
                "CronJob shop/report: a run was not started within its startingDeadlineSeconds",
            ),
            (
                "UnparseableSchedule",
                "unparseable schedule: \"0 3 * * *\"",
                "CronJob shop/report: its schedule",
            ),
            ("InvalidSchedule", "invalid schedule: \"0 3 * * *\"", "CronJob shop/report: its schedule"),
            // It was corrected since.
            ("UnparseableSchedule", "unparseable schedule: \"0 33 * * *\"", ""),
            ("FailedCreate", "jobs.batch is forbidden", "CronJob shop/report: its Jobs cannot be created"),
            ("SuccessfulCreate", "Created job report-1", ""),
        ] {
            let job = cron("0 3 * * *", json!("2026-11-24T03:00:00Z"));
            let event = event(&job, reason, message);
            Recorded::new(&[job, event]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn runs_that_one_under_way_forbids_are_not_missed() {
        for (policy, active, words) in [
            ("Forbid", json!([]), "runs of its schedule were not started"),
            ("Forbid", json!([{"name": "report-1"}]), ""),
            ("Allow", json!([{"name": "report-1"}]), "runs of its schedule were not started"),
        ] {
            let mut job = cron("*/10 * * * *", json!("2026-11-24T09:00:00Z"));
            job["spec"]["concurrencyPolicy"] = policy.into();
            job["status"]["active"] = active;
            Recorded::new(&[job]).assert_found(&RULE, words);
        }
    }
}
