//! A CronJob whose next runs do not start, because a run is still active and `concurrencyPolicy` is Forbid.
//!
//! Evidence: `status.active`, the policy, and a time of the schedule that has passed since; the event JobAlreadyActive.
//! Not to be taken for: a run that is active until before the next due time, the policies Allow and Replace.
//! Source: kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Reference, object::text, schedule::Schedule, time,
};

pub(super) const RULE: Rule = Rule { id: "cronjob-blocked", find };

/// Seconds after a due time in which a run may still be started.
const SLACK: u64 = 120;

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::CronJob).filter_map(|job| of(facts, job)).collect()
}

fn of(facts: &Facts, cron_job: &Object) -> Option<Finding> {
    let active = cron_job.list("/status/active");
    let name = text(active.first()?, "/name");
    if cron_job.text("/spec/concurrencyPolicy") != "Forbid" || cron_job.flag("/spec/suspend") {
        return None;
    }
    let run = Reference::new(Kind::Job, cron_job.namespace(), name);
    let job = facts.get(&run);
    let started = job
        .and_then(|job| time::parse(job.text("/status/startTime")).or(job.created()))
        .or(time::parse(cron_job.text("/status/lastScheduleTime")))?;
    let due = Schedule::parse(cron_job.text("/spec/schedule")).and_then(|schedule| schedule.next(started));
    let event = facts.events(cron_job).into_iter().find(|event| event.reason() == "JobAlreadyActive");
    // An event of the run before this one says nothing of this one.
    let event = event.filter(|event| event.last_seen() > started);
    if event.is_none() && due.is_none_or(|due| due + SLACK > facts.now) {
        return None;
    }
    let age = time::age(facts.now.saturating_sub(started));
    let mut finding = Finding::new(
        RULE.id,
        cron_job.reference(),
        format!("its run of {age} ago is still active, and concurrencyPolicy Forbid lets no other start"),
    )
    .with(Evidence::fact(
        format!("{run} is active since {age}; schedule {}", cron_job.text("/spec/schedule")),
        format!("status.active of {}", cron_job.reference()),
    ))
    .affects(run)
    // The schedule may be of another time zone.
    .certainty(if event.is_some() { Certainty::Certain } else { Certainty::Likely })
    .next(format!("find out why Job {name} does not end, and set activeDeadlineSeconds"));
    if let Some(event) = event {
        let place = format!("event {} x{}", event.reason(), event.count());
        finding = finding.with(Evidence::quote("", event.message(), place));
    }
    if let Some(job) = job.filter(|job| job.number("/spec/activeDeadlineSeconds").is_none()) {
        finding =
            finding.with(Evidence::fact("no activeDeadlineSeconds", format!("spec of {}", job.reference())));
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, owned, with};

    fn cluster(policy: &str, schedule: &str, started: &str) -> Vec<Value> {
        let cron = with(
            "CronJob",
            "report",
            json!({"schedule": schedule, "concurrencyPolicy": policy}),
            json!({"active": [{"kind": "Job", "name": "report-1", "namespace": "shop"}], "lastScheduleTime": started}),
        );
        let mut job =
            owned(with("Job", "report-1", json!({}), json!({"active": 1, "startTime": started})), &cron);
        job["metadata"]["creationTimestamp"] = started.into();
        vec![job, cron]
    }

    #[test]
    fn the_run_that_blocks_is_named() {
        let objects = cluster("Forbid", "*/10 * * * *", "2026-11-21T12:00:00Z");
        let answer = Recorded::new(&objects).ask("report");
        assert!(
            answer.contains(
                "cause 1 (likely) [cronjob-blocked] CronJob shop/report: its run of 3d ago is still active"
            ),
            "{answer}"
        );
        assert!(
            answer.contains("Job shop/report-1 is active") && answer.contains("no activeDeadlineSeconds"),
            "{answer}"
        );
        let event = event(
            &objects[1],
            "JobAlreadyActive",
            "Not starting job because prior execution is running and concurrency policy is Forbid",
        );
        let answer = Recorded::new(&[objects, vec![event]].concat()).ask("report");
        assert!(answer.contains("cause 1 (certain) [cronjob-blocked]"), "{answer}");
    }

    #[test]
    fn a_run_before_the_next_due_time_is_no_fault() {
        for (policy, schedule) in [("Forbid", "0 0 * * *"), ("Allow", "* * * * *"), ("Replace", "* * * * *")]
        {
            let answer = Recorded::new(&cluster(policy, schedule, "2026-11-24T11:00:00Z")).ask("report");
            assert!(!answer.contains("cronjob-blocked"), "{answer}");
        }
    }

    /// The ConfigMap that its pod lacks is to be made; that no other run starts follows from it.
    #[test]
    fn a_run_that_cannot_start_is_not_also_a_run_that_blocks() {
        let mut objects = cluster("Forbid", "*/5 * * * *", "2026-11-24T11:00:00Z");
        let job = objects.iter().find(|object| object["kind"] == "Job").cloned().unwrap_or_default();
        let waiting = crate::recorded::pod(
            "report-1-x",
            json!({"nodeName": "n1", "containers": [{"name": "app", "envFrom": [{"configMapRef": {"name": "batch-env"}}]}]}),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "configmap \"batch-env\" not found"}}}]}),
        );
        objects.push(owned(waiting, &job));
        let answer = Recorded::new(&objects).ask("report");
        assert!(answer.contains("cause 1 (certain) [config-missing] ConfigMap shop/batch-env"), "{answer}");
        assert!(!answer.contains("cronjob-blocked"), "{answer}");
    }

    #[test]
    fn a_cron_job_that_is_suspended_or_lets_runs_overlap_is_not_blocked() {
        let blocked = |policy: &str, is_suspended: bool| {
            let mut objects = cluster(policy, "*/10 * * * *", "2026-11-21T12:00:00Z");
            objects[1]["spec"]["suspend"] = is_suspended.into();
            Recorded::new(&objects)
        };
        blocked("Forbid", false).assert_found(&RULE, "its run of 3d ago is still active");
        blocked("Forbid", true).assert_found(&RULE, "");
        blocked("Allow", false).assert_found(&RULE, "");
    }
}
