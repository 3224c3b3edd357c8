//! A CronJob that starts no Jobs because it is suspended.
//!
//! Evidence: `spec.suspend`. It is intended, and the answer if the question is about that CronJob.
//! Not to be taken for: a CronJob between two runs.
//! Source: kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go.

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, time};

pub(super) const RULE: Rule = Rule { id: "cronjob-suspended", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let suspended = facts.all(Kind::CronJob).filter(|job| job.flag("/spec/suspend"));
    suspended.map(|job| of(facts, job)).collect()
}

fn of(facts: &Facts, job: &Object) -> Finding {
    let last = time::parse(job.text("/status/lastScheduleTime"));
    let last = last.map_or("it has never started a Job".to_owned(), |last| {
        format!("it started its last Job {} ago", time::age(facts.now.saturating_sub(last)))
    });
    Finding::new(RULE.id, job.reference(), "it is suspended, so it starts no Jobs")
        .with(Evidence::fact(format!("suspend: true; {last}"), format!("spec of {}", job.reference())))
        .next("set spec.suspend to false, if it is to run")
        .symptom()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::recorded::{Recorded, object, with};

    #[test]
    fn a_suspended_cron_job_says_so_if_it_is_asked_about() {
        let spec = json!({"schedule": "*/5 * * * *", "suspend": true});
        let cluster = Recorded::new(&[
            with("CronJob", "report", spec, json!({"lastScheduleTime": "2026-11-22T12:00:00Z"})),
            object("Namespace", "shop"),
        ]);
        let answer = cluster.clone().ask("report");
        assert!(answer.contains("[cronjob-suspended] CronJob shop/report: it is suspended"), "{answer}");
        assert!(answer.contains("its last Job 2d ago"), "{answer}");
        assert!(!cluster.ask_for("", "shop", "").contains("cronjob-suspended"));
    }
}
