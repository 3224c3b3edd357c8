//! From the findings of all rules to the few that explain the most.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{Facts, Finding, Kind, Reference};

/// Causes that an answer names.
pub(crate) const CAUSES: usize = 3;
/// Rules that say that pods do not work or do not end, and not why: other findings about these pods say more.
const OUTCOMES: [&str; 4] = ["cronjob-blocked", "rollout-stuck", "service-unready", "statefulset-order"];

/// The findings that concern `related`, merged, without consequences of others, the strongest first.
pub(crate) fn ranked(facts: &Facts, findings: Vec<Finding>, related: &BTreeSet<Reference>) -> Vec<Finding> {
    let concerns = |finding: &Finding| {
        related.contains(&finding.object) || finding.affects.iter().any(|object| related.contains(object))
    };
    let merged = merged(facts, findings.into_iter().filter(concerns));
    let causes = merged.iter().filter(|finding| !finding.is_symptom);
    let affected: BTreeSet<&Reference> = causes.flat_map(|cause| &cause.affects).collect();
    let is_outcome = |finding: &Finding| OUTCOMES.contains(&finding.rule);
    let is_explained = |finding: &Finding| {
        let mut objects = std::iter::once(&finding.object).chain(&finding.affects);
        let is_said_better = |other: &Finding| {
            !is_outcome(other) && (finding.is_symptom || !other.is_symptom) && tells_more(other, finding)
        };
        (finding.is_symptom && objects.any(|object| affected.contains(object)))
            || (is_outcome(finding) && merged.iter().any(is_said_better))
    };
    let mut ranked: Vec<Finding> = merged.iter().filter(|finding| !is_explained(finding)).cloned().collect();
    ranked.sort_by(|a, b| key(a).cmp(&key(b)));
    for symptom in merged.iter().filter(|finding| finding.change.is_some() && is_explained(finding)) {
        let cause = ranked.iter_mut().find(|cause| explains(cause, symptom));
        if let Some(cause) = cause.filter(|cause| cause.change.is_none()) {
            cause.change.clone_from(&symptom.change);
        }
    }
    ranked
}

/// True if a cause affects what a symptom is about.
fn explains(cause: &Finding, symptom: &Finding) -> bool {
    let affected = |object: &Reference| cause.affects.contains(object);
    affected(&symptom.object) || symptom.affects.iter().any(affected)
}

/// True if a finding is about a pod or workload that an outcome is about, and not only about its Service.
fn tells_more(other: &Finding, outcome: &Finding) -> bool {
    outcome.affects.iter().any(|object| object.kind != Kind::Service && other.affects.contains(object))
}

/// Certain before likely, causes before symptoms, near to the root before far, many affected before few; then by name, so
/// that the same facts give the same answer.
fn key(finding: &Finding) -> impl Ord + '_ {
    let Finding { certainty, is_symptom, object, affects, rule, summary, .. } = finding;
    (Reverse(*certainty), *is_symptom, object.kind, Reverse(affects.len()), object, *rule, summary)
}

/// Equal findings as one, which affects all that they affect.
fn merged(facts: &Facts, findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_same = |other: &&mut Finding| {
            (other.rule, &other.summary) == (finding.rule, &finding.summary)
                && (other.object == finding.object || are_siblings(facts, &other.object, &finding.object))
        };
        match merged.iter_mut().find(is_same) {
            None => merged.push(finding),
            Some(other) => {
                other.affects.extend(finding.affects);
                other.certainty = other.certainty.max(finding.certainty);
            }
        }
    }
    merged
}

/// True for pods of one owner that is not known, because its kind is another or may not be read.
fn are_siblings(facts: &Facts, one: &Reference, other: &Reference) -> bool {
    let owner = |reference: &Reference| {
        let pod = facts.get(reference).filter(|object| object.kind() == Kind::Pod)?;
        facts.owner(pod).is_none().then(|| pod.owner()).flatten()
    };
    one.namespace == other.namespace && owner(one).is_some_and(|of_one| owner(other) == Some(of_one))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object, pod},
    };

    fn owned(mut object: Value, kind: &str, name: &str) -> Value {
        object["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        object
    }

    /// A probe, which may be a consequence itself, says more than the rollout and the Service that its pods are not ready.
    #[test]
    fn an_outcome_gives_way_to_any_finding_about_its_pods() {
        let probe = json!({"httpGet": {"path": "/ready", "port": 80}, "periodSeconds": 3});
        let mut pod = owned(
            pod(
                "cart-1-x",
                json!({"nodeName": "n1", "containers": [{"name": "app", "ports": [{"containerPort": 80}], "readinessProbe": probe}]}),
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                    "containerStatuses": [{"name": "app", "ready": false, "started": true, "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-11-24T11:00:00Z"}}}]}),
            ),
            "ReplicaSet",
            "cart-1",
        );
        pod["metadata"]["labels"] = json!({"app": "cart"});
        let failed =
            event(&pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404");
        let mut deployment = object("Deployment", "cart");
        deployment["spec"] = json!({"replicas": 1});
        deployment["status"] = json!({"conditions": [{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"cart-1\" has timed out progressing."}]});
        let mut service = object("Service", "cart");
        service["spec"] = json!({"selector": {"app": "cart"}, "ports": [{"port": 80}]});
        let set = owned(object("ReplicaSet", "cart-1"), "Deployment", "cart");
        let answer = Recorded::new(&[pod, failed, deployment, set, service]).ask("cart");
        assert!(answer.contains("cause 1 (certain) [probe-unready] Deployment shop/cart"), "{answer}");
        assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
    }

    /// An account that may read pods and events only sees their owner's name, and not the owner.
    #[test]
    fn pods_of_an_owner_that_may_not_be_read_are_one_cause() {
        let looping = |name: &str| {
            let crash = json!({"terminated": {"exitCode": 7, "reason": "Error", "finishedAt": "2026-11-24T11:59:00Z"}});
            let state = json!({"waiting": {"reason": "CrashLoopBackOff"}});
            let pod = pod(
                name,
                json!({"nodeName": "n1", "containers": [{"name": "app"}]}),
                json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 3, "state": state, "lastState": crash}]}),
            );
            owned(pod, "StatefulSet", "mq")
        };
        let objects = [looping("mq-0"), looping("mq-1"), looping("mq-2"), set()];
        for (name, kind) in [("mq", Kind::StatefulSet), ("", Kind::StatefulSet)] {
            let answer = Recorded::new(&objects).deny(kind).deny(Kind::Namespace).ask_for(name, "shop", "");
            assert!(answer.contains("cause 1 (certain) [container-exits] Pod shop/mq-0"), "{answer}");
            assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
            assert!(answer.contains("(affects 2 pods)"), "{answer}");
        }
    }

    /// Without events the state names the Secrets that may be missing; that the next pods are not made is known from it.
    #[test]
    fn the_order_of_a_set_gives_way_to_what_its_first_pod_waits_for() {
        let pod = pod(
            "mq-0",
            json!({"nodeName": "n1", "containers": [{"name": "app"}], "volumes": [{"name": "tls", "secret": {"secretName": "mq-tls"}}]}),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z",
                "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}],
                "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        );
        let mut set = set();
        set["status"] = json!({"replicas": 1, "readyReplicas": 0});
        let answer = Recorded::new(&[owned(pod, "StatefulSet", "mq"), set]).ask("mq");
        assert!(answer.contains("cause 1 (guess) [sandbox-failed] StatefulSet shop/mq"), "{answer}");
        assert!(answer.contains("mq-tls") && !answer.contains("statefulset-order"), "{answer}");
    }

    fn set() -> Value {
        let mut set = object("StatefulSet", "mq");
        set["spec"] = json!({"replicas": 3});
        set
    }
}
