//! A pod that the kubelet evicted: its node ran low on a resource, or the pod passed a limit of local storage.
//!
//! Evidence: phase Failed with the reason Evicted; the message stays as long as the pod.
//! Not to be taken for: leftovers of a workload that has all its pods; an eviction before a younger pod took its place.
//! Source: kubernetes/pkg/kubelet/eviction/helpers.go.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    aftermath::{Aftermath, aftermath, newest},
    containers::containers,
    refusals::between,
    time,
};

pub(super) const RULE: Rule = Rule { id: "evicted", find };

/// Seconds for which an eviction may explain what became of the pods after it.
const RECENT: u64 = 3600;
/// Pods of one workload that passed their own limit within that time: no chance, even if the newest still runs.
const LOOP: usize = 2;

fn find(facts: &Facts) -> Vec<Finding> {
    let evicted = |pod: &&Object| {
        pod.text("/status/phase") == "Failed"
            && pod.text("/status/reason") == "Evicted"
            && pod.deleted().is_none()
    };
    let evicted = newest(facts, facts.all(Kind::Pod).filter(evicted));
    evicted.into_iter().filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let age = facts.now.saturating_sub(since(pod)?);
    let aftermath = aftermath(facts, pod);
    let again = if age > RECENT { 0 } else { by_own_limit(facts, pod) };
    let is_loop = again >= LOOP;
    if (aftermath == Aftermath::Over && !is_loop) || (aftermath == Aftermath::Replaced && age > RECENT) {
        return None;
    }
    let message = pod.text("/status/message");
    let (cause, next) = cause(message);
    let place = format!("status of {}, {} ago", pod.reference(), time::age(age));
    let how_often =
        if is_loop { format!(" again and again, {again} pods in an hour") } else { String::new() };
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), format!("evicted{how_often}: {cause}"))
        .affects(pod.reference())
        .with(Evidence::quote("", message, place))
        .with(Evidence::fact(format!("it ran on node {}", pod.text("/spec/nodeName")), "spec.nodeName"))
        .next(next);
    Some(if aftermath == Aftermath::Replaced && !is_loop { finding.symptom() } else { finding })
}

/// Seconds since 1970 of the eviction, as near as the state tells.
fn since(pod: &Object) -> Option<u64> {
    let disrupted = pod.condition("DisruptionTarget").and_then(|condition| condition.since);
    let ended = || containers(pod).filter_map(|container| container.end()?.finished).max();
    disrupted.or_else(ended).or_else(|| time::parse(pod.text("/status/startTime"))).or(pod.created())
}

/// The pods of a pod's workload that passed a limit of their own within the last hour, if it did so: the next one will.
fn by_own_limit(facts: &Facts, pod: &Object) -> usize {
    let is_own = |pod: &Object| {
        let message = pod.text("/status/message");
        pod.text("/status/reason") == "Evicted"
            && (message.contains(" exceeds the ") || message.contains(" exceeded its "))
            && since(pod).is_some_and(|since| facts.now.saturating_sub(since) <= RECENT)
    };
    if !is_own(pod) {
        return 0;
    }
    facts.pods_of(facts.root(pod)).into_iter().filter(|pod| is_own(pod)).count()
}

fn cause(message: &str) -> (String, &'static str) {
    let node = "give the containers requests near to what they use, or free the node: nodes_stats_summary shows what uses it";
    let own = "raise the limit, or find what fills the storage: pods_log";
    if let Some(resource) = between(message, "low on resource: ", &['.', ' ']) {
        let container = between(message, "Container ", &[' ']).filter(|_| message.contains(" was using "));
        let container =
            container.map(|name| format!(", of which container {name} used more than it requests"));
        return (format!("its node ran low on {resource}{}", container.unwrap_or_default()), node);
    }
    if let Some(condition) = between(message, "node had condition: [", &[']']) {
        return (format!("its node had {condition} when it came"), node);
    }
    let limit = message.rsplit_once("limit").and_then(|(_, rest)| between(rest, "\"", &['"']));
    let limit = limit.map_or(String::new(), |limit| format!(" {limit}"));
    if let Some(volume) = between(message, "EmptyDir volume \"", &['"']) {
        return (format!("its emptyDir volume {volume} grew beyond the limit{limit}"), own);
    }
    if let Some(container) =
        between(message, "Container ", &[' ']).filter(|_| message.contains("ephemeral storage"))
    {
        return (format!("container {container} passed its limit{limit} of local storage"), own);
    }
    if message.contains("ephemeral local storage") {
        return ("it passed the limit of local storage of its containers together".to_owned(), own);
    }
    ("the quote says why".to_owned(), node)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, object, pod, running};

    fn evicted(name: &str, message: &str) -> Value {
        let status = json!({"phase": "Failed", "reason": "Evicted", "message": message, "startTime": "2026-11-24T11:10:00Z"});
        let mut pod = pod(name, json!({"nodeName": "n1", "containers": [{"name": "app"}]}), status);
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
        pod
    }

    fn set(ready: i64) -> Value {
        let mut set = object("StatefulSet", "db");
        set["spec"] = json!({"replicas": 1, "template": {"spec": {"containers": []}}});
        set["status"] = json!({"replicas": 1, "readyReplicas": ready});
        set
    }

    #[test]
    fn the_node_or_the_pods_own_limit_is_the_cause() {
        for (message, cause) in [
            (
                "The node was low on resource: ephemeral-storage. Threshold quantity: 2126213140, available: 1884540Ki. Container app was using 3264Ki, request is 0, has larger consumption of ephemeral-storage. ",
                "its node ran low on ephemeral-storage, of which container app used more than it requests",
            ),
            ("Pod The node had condition: [DiskPressure]. ", "its node had DiskPressure when it came"),
            (
                "Usage of EmptyDir volume \"tmp\" exceeds the limit \"1Gi\". ",
                "its emptyDir volume tmp grew beyond the limit 1Gi",
            ),
            (
                "Container app exceeded its local ephemeral storage limit \"2Gi\". ",
                "container app passed its limit 2Gi of local storage",
            ),
            (
                "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
                "it passed the limit of local storage of its containers together",
            ),
        ] {
            let answer = Recorded::new(&[set(0), evicted("db-0", message)]).ask("db");
            assert!(
                answer.contains(&format!(
                    "cause 1 (certain) [evicted] StatefulSet shop/db: evicted: {cause} (affects 1 Pod)"
                )),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_leftover_of_a_workload_that_is_well_is_history() {
        let mut next = running("db-1");
        next["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
        let answer = Recorded::new(&[set(1), evicted("db-0", "x"), next.clone()]).ask("db");
        assert!(!answer.contains("evicted"), "{answer}");
        // Long before the younger pod that is in trouble for another reason.
        let mut old = evicted("db-0", "x");
        old["status"]["startTime"] = "2026-11-22T11:10:00Z".into();
        old["metadata"]["creationTimestamp"] = "2026-11-22T11:00:00Z".into();
        let answer = Recorded::new(&[set(0), old, next]).ask("db");
        assert!(!answer.contains("evicted"), "{answer}");
    }

    /// A Deployment is well for the seconds in which the newest pod fills its disk.
    #[test]
    fn pods_that_pass_their_own_limit_one_after_the_other_are_no_history() {
        let message = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ";
        let mut next = running("db-9");
        next["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
        let mut objects = vec![set(1), next];
        for name in ["db-1", "db-2", "db-3"] {
            let mut pod = evicted(name, message);
            pod["status"]["containerStatuses"] = json!([{"name": "app", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": "2026-11-24T11:50:00Z"}}}]);
            objects.push(pod);
        }
        let answer = Recorded::new(&objects).ask("db");
        assert!(answer.contains("cause 1 (certain) [evicted] StatefulSet shop/db: evicted again and again, 3 pods in an hour: it passed the limit of local storage"), "{answer}");
        let answer = Recorded::new(objects.get(..3).unwrap_or_default()).ask("db");
        assert!(!answer.contains("[evicted]"), "{answer}");
    }

    /// The workload is well, so that only a loop is told.
    #[test]
    fn evictions_of_long_ago_or_by_another_pods_need_are_no_loop() {
        let own = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ";
        let foreign = "The node was low on resource: memory. Container app was using 3264Ki, which exceeds its request of 0. ";
        for (message, reason, since, words) in [
            (own, "Evicted", "2026-11-24T11:10:00Z", "evicted again and again, 2 pods in an hour"),
            (own, "Evicted", "2026-11-24T10:10:00Z", ""),
            (foreign, "Evicted", "2026-11-24T11:10:00Z", ""),
            (own, "Preempted", "2026-11-24T11:10:00Z", ""),
        ] {
            let mut next = running("db-9");
            next["metadata"]["ownerReferences"] =
                json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
            let mut objects = vec![set(1), next];
            for name in ["db-1", "db-2"] {
                let mut pod = evicted(name, message);
                pod["status"]["startTime"] = since.into();
                pod["status"]["reason"] = reason.into();
                objects.push(pod);
            }
            let findings = Recorded::new(&objects).findings(&RULE);
            assert!(
                findings.iter().all(|finding| !words.is_empty() && finding.contains(words)),
                "{findings:?}"
            );
            assert_eq!(findings.is_empty(), words.is_empty(), "{message} {reason} {since}");
        }
    }

    /// Replaced, and the workload is not well: it may be the consequence of another fault, if it is no loop.
    #[test]
    fn an_eviction_of_a_pod_that_was_replaced_is_a_symptom_unless_it_is_a_loop() {
        let own = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ";
        let mut next = running("db-9");
        next["metadata"]["ownerReferences"] =
            json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
        let mut objects = vec![set(0), next, evicted("db-1", own)];
        let is_symptom = |objects: &[Value]| {
            let findings = (RULE.find)(&Recorded::new(objects).facts());
            findings[0].is_symptom
        };
        assert!(is_symptom(&objects));
        objects.push(evicted("db-2", own));
        assert!(!is_symptom(&objects));
    }
}
