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
