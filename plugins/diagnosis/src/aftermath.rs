//! Pods that ended, and what became of their workloads: what is over is no fault of the present.

use std::collections::BTreeMap;

use crate::{
    Facts, Kind, Object, Reference,
    health::{State, health},
};

/// The consequence of a pod that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing took its place.
    Open,
    /// A younger pod of its workload took its place, and the workload is not well all the same.
    Replaced,
    /// Its workload has what it wants.
    Over,
}

/// Pods of one workload that are judged by their end: what is true of these is true of the older ones.
const ENDED: usize = 3;

/// The newest of `pods`, a few of each workload: after trouble of a node there may be hundreds.
pub fn newest<'f>(facts: &'f Facts, pods: impl Iterator<Item = &'f Object>) -> Vec<&'f Object> {
    let mut pods: Vec<&Object> = pods.collect();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.created()));
    let mut counts: BTreeMap<Reference, usize> = BTreeMap::new();
    pods.retain(|pod| {
        let count = counts.entry(facts.root(pod).reference()).or_default();
        *count += 1;
        *count <= ENDED
    });
    pods
}

/// The state of the workload of a pod that ended.
pub fn aftermath(facts: &Facts, ended: &Object) -> Aftermath {
    let Some(owner) = facts.owner(ended) else { return Aftermath::Open };
    // A CronJob is as well as its newest Job; its old ones are judged by themselves.
    let judge = if owner.kind() == Kind::Job { owner } else { facts.root(ended) };
    let is_live = |other: &&Object| {
        other.text("/status/phase") != "Failed"
            && other.deleted().is_none()
            && other.created() >= ended.created()
    };
    let is_replaced = facts.owned_by(owner).any(|other| other.kind() == Kind::Pod && is_live(&other))
        || facts.pods_of(judge).iter().any(is_live);
    let is_well =
        health(facts, judge).is_some_and(|health| matches!(health.state, State::Healthy | State::Intended));
    match (is_well, is_replaced) {
        // A Job that still counts on its next try is well only with one.
        (true, _) if judge.kind() != Kind::Job || is_replaced || judge.condition("Complete").is_some() => {
            Aftermath::Over
        }
        (_, true) => Aftermath::Replaced,
        _ => Aftermath::Open,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Aftermath, aftermath, newest};
    use crate::{
        Kind, Object,
        recorded::{Recorded, deleted, owned, pod, with},
    };

    fn tried(name: &str, phase: &str, hour: i64, owner: &Value) -> Value {
        let mut pod = owned(pod(name, json!({}), json!({"phase": phase})), owner);
        pod["metadata"]["creationTimestamp"] = format!("2026-11-24T{hour:02}:00:00Z").into();
        pod
    }

    #[test]
    fn what_became_of_a_pod_is_told_by_its_workload_and_the_pods_after_it() {
        let set = |replicas: i64, ready: i64| {
            with("StatefulSet", "db", json!({"replicas": replicas}), json!({"readyReplicas": ready}))
        };
        let job = |status: Value| with("Job", "load", json!({}), status);
        let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        for (owner, next, expected) in [
            (set(1, 1), None, Aftermath::Over),
            (set(0, 0), None, Aftermath::Over),
            (set(1, 0), None, Aftermath::Open),
            (set(1, 0), Some(("Running", 10)), Aftermath::Replaced),
            (set(1, 0), Some(("Running", 8)), Aftermath::Open),
            (set(1, 0), Some(("Failed", 10)), Aftermath::Open),
            (job(json!({"active": 1})), None, Aftermath::Open),
            (job(json!({"active": 1})), Some(("Running", 10)), Aftermath::Over),
            (job(complete), None, Aftermath::Over),
            (job(json!({"failed": 1})), Some(("Running", 10)), Aftermath::Replaced),
        ] {
            let ended = tried("a", "Failed", 9, &owner);
            let mut objects = vec![ended.clone(), owner];
            objects.extend(next.map(|(phase, hour)| tried("b", phase, hour, &objects[1])));
            let facts = Recorded::new(&objects).facts();
            assert_eq!(aftermath(&facts, &Object::new(Kind::Pod, ended)), expected, "{objects:?}");
        }
    }

    #[test]
    fn a_pod_that_is_deleted_replaces_none() {
        let owner = with("StatefulSet", "db", json!({"replicas": 1}), json!({"readyReplicas": 0}));
        let ended = tried("a", "Failed", 9, &owner);
        let objects = [ended.clone(), deleted(tried("b", "Running", 10, &owner)), owner];
        let facts = Recorded::new(&objects).facts();
        assert_eq!(aftermath(&facts, &Object::new(Kind::Pod, ended)), Aftermath::Open);
    }

    #[test]
    fn the_three_newest_pods_of_each_workload_are_judged() {
        let set = |name: &str| with("StatefulSet", name, json!({}), json!({}));
        let (db, mq) = (set("db"), set("mq"));
        let mut objects: Vec<Value> =
            (1..=5).map(|hour| tried(&format!("db-{hour}"), "Failed", hour, &db)).collect();
        objects.extend([tried("mq-0", "Failed", 0, &mq), db, mq]);
        let facts = Recorded::new(&objects).facts();
        let names: Vec<&str> = newest(&facts, facts.all(Kind::Pod)).iter().map(|pod| pod.name()).collect();
        assert_eq!(names, ["db-5", "db-4", "db-3", "mq-0"]);
    }

    #[test]
    fn a_pod_of_a_job_is_judged_by_the_job_and_not_by_its_cron_job() {
        let cron = with("CronJob", "nightly", json!({"schedule": "@daily"}), json!({}));
        let job = owned(with("Job", "nightly-1", json!({}), json!({"failed": 1})), &cron);
        let ended = tried("a", "Failed", 9, &job);
        let facts = Recorded::new(&[ended.clone(), job, cron]).facts();
        assert_eq!(aftermath(&facts, &Object::new(Kind::Pod, ended)), Aftermath::Open);
    }
}
