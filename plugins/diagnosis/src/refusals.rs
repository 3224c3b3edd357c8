//! Workloads that lack pods because the API server refuses to create them.

use crate::{Evidence, Facts, Finding, Kind, Object, health::STARTING};

/// A workload that wants more pods than it has.
#[derive(Debug, Clone)]
pub struct Shortage<'f> {
    /// The creator of the pods: a ReplicaSet, StatefulSet, DaemonSet, Job, or a CronJob that creates Jobs.
    pub workload: &'f Object,
    /// The API server's words; None if only the number of pods tells.
    pub refusal: Option<Refusal<'f>>,
}

/// The API server's words for a refusal.
#[derive(Debug, Clone)]
pub struct Refusal<'f> {
    /// The message.
    pub message: &'f str,
    /// The place that it stands in.
    pub place: String,
}

/// The check that a pod did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// A quota is used up.
    Quota,
    /// A quota wants a request or limit that is not given.
    QuotaNeedsLimits,
    /// Bounds of a LimitRange.
    LimitRange,
    /// Pod Security Admission.
    PodSecurity,
    /// Its ServiceAccount.
    ServiceAccount,
    /// Its PriorityClass.
    PriorityClass,
    /// A webhook that did not answer.
    WebhookDown,
    /// A webhook or policy that said no.
    WebhookDenies,
    /// Anything else.
    Other,
}

impl Refusal<'_> {
    /// The check behind the message.
    pub fn check(&self) -> Check {
        // Kubernetes changed capitals between versions.
        let message = self.message.to_lowercase();
        let has = |part: &str| message.contains(part);
        if has("failed calling webhook") || has("failed calling admission webhook") {
            Check::WebhookDown
        } else if has("admission webhook") && has("denied the request") || has("validatingadmissionpolicy '")
        {
            Check::WebhookDenies
        } else if has("exceeded quota: ") {
            Check::Quota
        } else if has("failed quota: ") && has("must specify") {
            Check::QuotaNeedsLimits
        } else if has("violates podsecurity ") {
            Check::PodSecurity
        } else if has("error looking up service account ") {
            Check::ServiceAccount
        } else if has("no priorityclass with name ") {
            Check::PriorityClass
        } else if has(" usage per ") || has(" max limit to request ratio per ") {
            Check::LimitRange
        } else {
            Check::Other
        }
    }
}

impl Shortage<'_> {
    /// The check, if the API server's words are known.
    pub fn check(&self) -> Option<Check> {
        self.refusal.as_ref().map(Refusal::check)
    }

    /// The API server's words if they are about `check`.
    pub fn message(&self, check: Check) -> Option<&str> {
        let refusal = self.refusal.as_ref().filter(|refusal| refusal.check() == check)?;
        Some(refusal.message)
    }

    /// Adds the workload to what a finding affects, and the API server's words to its evidence.
    pub fn explained_by(&self, facts: &Facts, finding: Finding) -> Finding {
        let root = facts.root(self.workload);
        let mut finding = finding.affects(root.reference());
        if self.workload.kind() != Kind::ReplicaSet {
            finding = finding.affects(self.workload.reference());
        }
        match &self.refusal {
            Some(refusal) => finding.with(Evidence::quote("", refusal.message, refusal.place.clone())),
            None => finding.with(Evidence::fact(
                format!("{}: {}", self.workload.reference(), missing(facts, self.workload)),
                "its status; the event that says why is gone",
            )),
        }
    }
}

/// The pods that a workload has and wants.
pub fn missing(facts: &Facts, workload: &Object) -> String {
    match counts(facts, workload) {
        Some((has, wanted)) => format!("{has} of {wanted} pods exist"),
        None => "no Job was created".to_owned(),
    }
}

/// The workloads that lack pods: with the API server's words, or long enough without them.
pub fn shortages(facts: &Facts) -> Vec<Shortage<'_>> {
    let mut found: Vec<Shortage<'_>> = Vec::new();
    let workloads =
        facts.objects().filter(|object| object.kind().is_workload() && object.deleted().is_none());
    for workload in workloads {
        let is_short = counts(facts, workload).is_none_or(|(has, wanted)| has < wanted);
        if !is_short || workload.flag("/spec/suspend") {
            continue;
        }
        let refusal = condition(facts, workload).or_else(|| event(facts, workload));
        let age = workload.created().map_or(0, |created| facts.now.saturating_sub(created));
        // Of ReplicaSets and Deployments the condition stays, so that its absence says that nothing was refused.
        let is_silent = matches!(workload.kind(), Kind::StatefulSet | Kind::DaemonSet | Kind::Job)
            && age > STARTING
            && !is_waiting(facts, workload);
        if refusal.is_some() || is_silent {
            found.push(Shortage { workload, refusal });
        }
    }
    found
}

/// The pods that a workload has and wants; None if it creates none itself.
fn counts(facts: &Facts, workload: &Object) -> Option<(i64, i64)> {
    let number = |pointer: &str| workload.number(pointer);
    let status = |field: &str| number(&format!("/status/{field}")).unwrap_or(0);
    Some(match workload.kind() {
        Kind::Deployment => {
            let has = status("replicas").min(status("updatedReplicas"));
            (has, number("/spec/replicas").unwrap_or(1))
        }
        Kind::ReplicaSet | Kind::StatefulSet => (status("replicas"), number("/spec/replicas").unwrap_or(1)),
        Kind::DaemonSet => (status("currentNumberScheduled"), status("desiredNumberScheduled")),
        Kind::Job if is_over(workload) => (0, 0),
        Kind::Job => {
            let left = number("/spec/completions").unwrap_or(1) - status("succeeded");
            let active = status("active") + status("terminating");
            // The controller counts only after a pod is there.
            let has = if active > 0 {
                active
            } else {
                i64::try_from(facts.pods_of(workload).len()).unwrap_or(i64::MAX)
            };
            (has, number("/spec/parallelism").unwrap_or(1).min(left))
        }
        _ => return None,
    })
}

/// True if a Job ended, or is about to.
fn is_over(job: &Object) -> bool {
    ["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet", "Suspended"]
        .into_iter()
        .any(|kind| job.condition(kind).is_some_and(|condition| condition.status == "True"))
}

/// The condition ReplicaFailure of a ReplicaSet; that of a Deployment only if none of its ReplicaSets has it.
fn condition<'f>(facts: &'f Facts, workload: &'f Object) -> Option<Refusal<'f>> {
    let failure = |object: &'f Object| {
        object
            .condition("ReplicaFailure")
            .filter(|condition| condition.status == "True" && matches!(condition.reason, "FailedCreate" | ""))
    };
    if let Some(condition) = workload.condition("Progressing")
        && condition.reason == "ReplicaSetCreateError"
    {
        let place = format!("Progressing of {}", workload.reference());
        return Some(Refusal { message: condition.message, place });
    }
    let condition = failure(workload)?;
    if workload.kind() == Kind::Deployment
        && facts.owned_by(workload).any(|owned| owned.kind() == Kind::ReplicaSet && failure(owned).is_some())
    {
        return None;
    }
    Some(Refusal { message: condition.message, place: format!("ReplicaFailure of {}", workload.reference()) })
}

/// The newest event about creation, if it is a failure.
fn event<'f>(facts: &'f Facts, workload: &'f Object) -> Option<Refusal<'f>> {
    let events = facts.events(workload);
    let newest = events.iter().find(|event| matches!(event.reason(), "FailedCreate" | "SuccessfulCreate"))?;
    // Those of StatefulSets are about claims, too: one after the other, in the same second.
    let failed = events.iter().find(|event| event.reason() == "FailedCreate")?;
    (failed.last_seen() >= newest.last_seen()).then(|| Refusal {
        message: failed.message(),
        place: format!("event FailedCreate x{} of {}", failed.count(), workload.reference()),
    })
}

/// True if a workload has a reason of its own to create no more pods now.
fn is_waiting(facts: &Facts, workload: &Object) -> bool {
    // Pods of a StatefulSet come one after the other, each when the one before is ready.
    let status = |field: &str| workload.number(&format!("/status/{field}"));
    // With minReadySeconds, available comes after ready.
    let ready = status("readyReplicas").unwrap_or(0).min(status("availableReplicas").unwrap_or(i64::MAX));
    let is_ordered = workload.kind() == Kind::StatefulSet
        && workload.text("/spec/podManagementPolicy") != "Parallel"
        && ready < status("replicas").unwrap_or(0);
    let is_leaving = facts.pods_of(workload).iter().any(|pod| pod.deleted().is_some());
    // One that had pods before waits longer and longer to replace those that failed.
    let has_begun = ["failed", "succeeded", "active"].into_iter().any(|field| status(field).unwrap_or(0) > 0);
    // Another controller than Kubernetes' own makes the pods.
    let is_foreign = !matches!(workload.text("/spec/managedBy"), "" | "kubernetes.io/job-controller");
    is_foreign || is_ordered || is_leaving || (workload.kind() == Kind::Job && has_begun)
}

/// The text between two marks of a message.
pub fn between<'m>(message: &'m str, before: &str, after: &[char]) -> Option<&'m str> {
    let (_, rest) = message.split_once(before)?;
    rest.split(after).next().map(str::trim).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Check, Refusal, shortages};
    use crate::recorded::{Recorded, owned, running, with, young};

    #[test]
    fn the_check_behind_a_message_is_told_by_its_words() {
        for (message, check) in [
            ("failed calling webhook \"a\": timeout", Check::WebhookDown),
            ("failed calling admission webhook \"a\"", Check::WebhookDown),
            ("admission webhook \"a\" denied the request: no", Check::WebhookDenies),
            ("ValidatingAdmissionPolicy 'a' with binding 'b' denied request", Check::WebhookDenies),
            ("the plugin denied the request", Check::Other),
            ("admission webhook \"a\" attempted to modify the object", Check::Other),
            ("exceeded quota: team", Check::Quota),
            ("failed quota: team: must specify limits.cpu", Check::QuotaNeedsLimits),
            ("violates PodSecurity \"restricted:latest\"", Check::PodSecurity),
            ("error looking up service account shop/web", Check::ServiceAccount),
            ("no PriorityClass with name high was found", Check::PriorityClass),
            ("maximum cpu usage per Container is 1", Check::LimitRange),
            ("cpu max limit to request ratio per Pod is 2", Check::LimitRange),
        ] {
            assert_eq!(Refusal { message, place: String::new() }.check(), check, "{message}");
        }
    }

    /// The number of workloads that lack pods, of one and what it owns.
    fn short(kind: &str, spec: Value, status: Value) -> usize {
        shortages(&Recorded::new(&[with(kind, "db", spec, status)]).facts()).len()
    }

    #[test]
    fn a_job_lacks_pods_only_if_it_never_had_one_and_its_controller_is_that_of_kubernetes() {
        for (spec, status, expected) in [
            (json!({}), json!({}), 1),
            (json!({"managedBy": "kubernetes.io/job-controller"}), json!({}), 1),
            (json!({"managedBy": "kueue.x-k8s.io/multikueue"}), json!({}), 0),
            (json!({"suspend": true}), json!({}), 0),
            (json!({}), json!({"active": 1}), 0),
            (json!({}), json!({"terminating": 1}), 0),
            (json!({}), json!({"failed": 1}), 0),
            (json!({}), json!({"succeeded": 1}), 0),
            (json!({"parallelism": 2, "completions": 2}), json!({"active": 1, "terminating": 1}), 0),
            (json!({}), json!({"conditions": [{"type": "Complete", "status": "True"}]}), 0),
        ] {
            assert_eq!(short("Job", spec.clone(), status.clone()), expected, "{spec} {status}");
        }
        assert_eq!(short("StatefulSet", json!({"replicas": 1}), json!({})), 1);
        assert_eq!(short("StatefulSet", json!({"replicas": 1}), json!({"failed": 1})), 1);
        let job = with("Job", "load", json!({}), json!({}));
        assert_eq!(shortages(&Recorded::new(&[young(job.clone())]).facts()).len(), 0);
        // The controller counts only after the pod is there.
        assert_eq!(shortages(&Recorded::new(&[owned(running("load-x"), &job), job]).facts()).len(), 0);
    }

    /// The words stand on the ReplicaSet as well as on its Deployment.
    #[test]
    fn a_refusal_is_that_of_the_replica_set_if_it_has_one() {
        let failure = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: a"}]);
        let deployment = with("Deployment", "web", json!({"replicas": 1}), json!({"conditions": failure}));
        let set = |conditions: Value| {
            owned(
                with("ReplicaSet", "web-1", json!({"replicas": 1}), json!({"conditions": conditions})),
                &deployment,
            )
        };
        for (set, workload) in [(set(failure.clone()), "web-1"), (set(json!([])), "web")] {
            let facts = Recorded::new(&[deployment.clone(), set]).facts();
            let names: Vec<&str> =
                shortages(&facts).iter().map(|shortage| shortage.workload.name()).collect();
            assert_eq!(names, [workload]);
            assert_eq!(shortages(&facts)[0].check(), Some(Check::Quota));
        }
    }
}
