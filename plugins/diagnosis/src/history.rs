//! The past, which says nothing of the present: runs that a later one has superseded, and old lines of logs.

use crate::{Facts, Kind, Object, health, time};

/// Seconds for which a line of the log of a pod that is ready says something of the present.
const RECENT: u64 = 15 * 60;

/// True for a Job of a CronJob after which another one has ended, for the pods of such a Job, for the failed pods of a Job
/// that is complete, and for those after which it has tried again.
pub(crate) fn is_past(facts: &Facts, object: &Object) -> bool {
    match object.kind() {
        Kind::Job => is_superseded(facts, object),
        Kind::Pod => {
            let has_ended = matches!(object.text("/status/phase"), "Succeeded" | "Failed");
            let job = facts.owner(object).filter(|owner| has_ended && owner.kind() == Kind::Job);
            job.is_some_and(|job| {
                health::is_condition(job, "Complete")
                    || is_superseded(facts, job)
                    || is_retried(facts, job, object)
            })
        }
        _ => false,
    }
}

fn is_superseded(facts: &Facts, job: &Object) -> bool {
    let Some(owner) = facts.owner(job).filter(|owner| owner.kind() == Kind::CronJob) else { return false };
    has_ended(job)
        && runs(facts, owner).iter().any(|other| has_ended(other) && other.created() > job.created())
}

/// True if a younger pod of a Job with one pod at a time has ended, too.
fn is_retried(facts: &Facts, job: &Object, pod: &Object) -> bool {
    // Pods side by side, or of several indexes, are no tries of the same.
    let is_single = job.number("/spec/parallelism").unwrap_or(1) <= 1
        && job.text("/spec/completionMode") != "Indexed"
        && job.number("/spec/completions").unwrap_or(1) <= 1;
    let has_failed = |other: &Object| other.text("/status/phase") == "Failed";
    let mut others = facts.owned_by(job);
    is_single
        && has_failed(pod)
        && others
            .any(|other| other.kind() == Kind::Pod && has_failed(other) && other.created() > pod.created())
}

/// The Jobs of a CronJob, the newest first.
pub(crate) fn runs<'f>(facts: &'f Facts, cron_job: &'f Object) -> Vec<&'f Object> {
    let mut jobs: Vec<&Object> =
        facts.owned_by(cron_job).filter(|object| object.kind() == Kind::Job).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created()));
    jobs
}

/// True if a Job is complete or has failed.
pub(crate) fn has_ended(job: &Object) -> bool {
    ["Complete", "Failed"].iter().any(|kind| health::is_condition(job, kind))
}

/// True if a line of a pod's log of `time` says something of its present state.
pub(crate) fn is_recent(facts: &Facts, pod: &Object, time: &str) -> bool {
    !health::is_ready(pod) || time::parse(time).is_none_or(|time| facts.now.saturating_sub(time) <= RECENT)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::is_past;
    use crate::{
        Kind, Object,
        recorded::{Recorded, object, owned, pod, with},
    };

    fn at(mut object: Value, hour: i64) -> Value {
        object["metadata"]["creationTimestamp"] = format!("2026-11-24T{hour:02}:00:00Z").into();
        object
    }

    fn job(name: &str, hour: i64, condition: &str) -> Value {
        let status = json!({"conditions": [{"type": condition, "status": "True"}]});
        at(owned(with("Job", name, json!({}), status), &object("CronJob", "nightly")), hour)
    }

    fn is_first_past(objects: &[Value]) -> bool {
        let kind = objects[0]["kind"].as_str().and_then(Kind::of_object).unwrap();
        let mut facts = Recorded::new(objects).facts();
        facts.add(Object::new(Kind::CronJob, object("CronJob", "nightly")));
        is_past(&facts, &Object::new(kind, objects[0].clone()))
    }

    #[test]
    fn a_run_is_past_when_it_and_a_later_one_have_ended() {
        for (own, other, expected) in [
            (job("a", 9, "Failed"), job("b", 10, "Complete"), true),
            (job("a", 9, "Failed"), job("b", 10, "Failed"), true),
            (job("a", 9, "Failed"), job("b", 8, "Complete"), false),
            (job("a", 9, "Failed"), job("b", 10, "Suspended"), false),
            (job("a", 9, "Suspended"), job("b", 10, "Complete"), false),
        ] {
            let mut failed = owned(pod("a-x", json!({}), json!({"phase": "Failed"})), &own);
            assert_eq!(is_first_past(&[own.clone(), other.clone()]), expected, "{own} {other}");
            assert_eq!(
                is_first_past(&[failed.clone(), own.clone(), other.clone()]),
                expected,
                "{own} {other}"
            );
            failed["status"]["phase"] = "Running".into();
            assert!(!is_first_past(&[failed, own, other]));
        }
    }

    #[test]
    fn a_failed_pod_is_past_when_its_job_is_complete_or_a_younger_try_failed() {
        let tried = |spec: Value, condition: &str, hour: i64, phase: &str| {
            let status = json!({"conditions": [{"type": condition, "status": "True"}]});
            let job = with("Job", "load", spec, status);
            let pod = |name: &str, phase: &str, hour: i64| {
                at(owned(pod(name, json!({}), json!({"phase": phase})), &job), hour)
            };
            is_first_past(&[pod("load-a", "Failed", 9), pod("load-b", phase, hour), job.clone()])
        };
        for (spec, condition, hour, phase, expected) in [
            (json!({}), "Complete", 8, "Succeeded", true),
            (json!({}), "Failed", 10, "Failed", true),
            (json!({}), "Failed", 8, "Failed", false),
            (json!({}), "Failed", 10, "Running", false),
            (json!({"parallelism": 2}), "Failed", 10, "Failed", false),
            (json!({"completions": 2}), "Failed", 10, "Failed", false),
            (json!({"completionMode": "Indexed"}), "Failed", 10, "Failed", false),
        ] {
            assert_eq!(
                tried(spec.clone(), condition, hour, phase),
                expected,
                "{spec} {condition} {hour} {phase}"
            );
        }
        let set = object("StatefulSet", "db");
        let failed =
            |name: &str, hour| at(owned(pod(name, json!({}), json!({"phase": "Failed"})), &set), hour);
        assert!(!is_first_past(&[failed("db-0", 9), failed("db-1", 10), set.clone()]));
    }
}
