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
