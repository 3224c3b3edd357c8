//! Pods that the API server refuses for a reason without a rule of its own, or that are missing without a reason.
//!
//! Evidence: the API server's words; without them the number of pods alone, which is a symptom.
//! Not to be taken for: pods of a StatefulSet that wait for the one before, a suspended Job, a workload that is young.
//! Source: kubernetes/pkg/controller: replicaset, statefulset, daemon, job.

use super::Rule;
use crate::{
    Certainty, Facts, Finding, Kind,
    refusals::{Check, between, missing, shortages},
};

pub(super) const RULE: Rule = Rule { id: "pod-refused", find };

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .filter(|shortage| matches!(shortage.check(), None | Some(Check::Other)))
        .map(|shortage| {
            let root = facts.root(shortage.workload).reference();
            let Some(message) = shortage.message(Check::Other) else {
                let summary = format!("{}, and nothing of its state says why", missing(facts, shortage.workload));
                return shortage
                    .explained_by(facts, Finding::new(RULE.id, root, summary))
                    .certainty(Certainty::Likely)
                    .symptom()
                    .next("look whether kube-controller-manager runs, or restart the rollout and ask again while its events are there");
            };
            let (summary, next) = cause(message, shortage.workload.kind());
            shortage.explained_by(facts, Finding::new(RULE.id, root, summary)).next(next)
        })
        .collect()
}

/// The meaning of the API server's words.
fn cause(message: &str, kind: Kind) -> (String, &'static str) {
    let template = "correct the template as the quote says";
    let what = if kind == Kind::CronJob { "Jobs" } else { "pods" };
    if let Some(class) = between(message, "RuntimeClass \"", &['"']) {
        return (
            format!("RuntimeClass {class} of its template does not exist"),
            "create the RuntimeClass, or correct its name in the template",
        );
    }
    if message.contains("security context constraint") {
        return (
            "no SecurityContextConstraints that its ServiceAccount may use allows its pods".to_owned(),
            "set the fields that the quote names, or let the ServiceAccount use another constraint",
        );
    }
    let cause = if message.contains("is being terminated") {
        return (
            "its namespace is being deleted, so no pod is created".to_owned(),
            "wait until the namespace is gone, or use another one",
        );
    } else if message.contains("is invalid: ") {
        format!("the API server finds its {what} invalid")
    } else if message.contains("forbidden: ") {
        format!("the API server forbids its {what}")
    } else if message.contains("already exists") {
        format!("its {what} cannot be created: others of that name exist")
    } else {
        format!("its {what} cannot be created")
    };
    (cause, template)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, event, object, running};

    fn set(replicas: i64) -> Value {
        let mut set = object("StatefulSet", "db");
        set["spec"] = json!({"replicas": 3, "template": {"spec": {"containers": []}}});
        set["status"] = json!({"replicas": replicas, "readyReplicas": replicas});
        set
    }

    #[test]
    fn the_words_of_the_api_server_are_quoted() {
        for (words, summary) in [
            (
                "Pod \"db-0\" is invalid: spec.containers[0].image: Required value",
                "the API server finds its pods invalid",
            ),
            (
                "pods \"db-0\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found",
                "RuntimeClass gvisor of its template does not exist",
            ),
            (
                "pods \"db-0\" is forbidden: unable to create new content in namespace shop because it is being terminated",
                "its namespace is being deleted",
            ),
        ] {
            let objects = [set(1), event(&set(1), "FailedCreate", words)];
            let answer = Recorded::new(&objects).ask("db");
            assert!(
                answer.contains(&format!("cause 1 (certain) [pod-refused] StatefulSet shop/db: {summary}")),
                "{answer}"
            );
            assert!(answer.contains(words), "{answer}");
        }
    }

    #[test]
    fn missing_pods_without_a_reason_are_a_symptom() {
        let answer = Recorded::new(&[set(1)]).ask("db");
        assert!(answer.contains("cause 1 (likely) [pod-refused] StatefulSet shop/db: 1 of 3 pods exist, and nothing of its state says why"), "{answer}");
    }

    #[test]
    fn a_set_that_waits_or_is_young_lacks_nothing() {
        let mut waiting = set(1);
        waiting["status"]["readyReplicas"] = 0.into();
        let mut young = set(0);
        young["metadata"]["creationTimestamp"] = "2026-11-24T11:59:30Z".into();
        let mut leaving = running("db-2");
        leaving["metadata"]["deletionTimestamp"] = "2026-11-24T11:59:50Z".into();
        leaving["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
        for objects in [vec![waiting], vec![young], vec![set(2), leaving], vec![set(3)]] {
            let answer = Recorded::new(&objects).ask("db");
            assert!(!answer.contains("pod-refused"), "{answer}");
        }
    }

    #[test]
    fn a_cron_job_whose_jobs_are_refused_is_found() {
        let mut cron = object("CronJob", "nightly");
        cron["spec"] = json!({"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}});
        let said = event(
            &cron,
            "FailedCreate",
            "Error creating job: jobs.batch \"nightly-1\" is forbidden: exceeded quota: team, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5",
        );
        let answer = Recorded::new(&[cron.clone(), said]).ask("nightly");
        assert!(answer.contains("cause 1 (certain) [quota-exceeded] ResourceQuota shop/team: it leaves too little: 5 of 5 count/jobs.batch is used"), "{answer}");
        let answer = Recorded::new(&[cron]).ask("nightly");
        assert!(!answer.contains("pod-refused"), "{answer}");
    }
}
