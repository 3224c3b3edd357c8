//! The pods that the state of a node puts in trouble.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{affinity, could_run, taints::Origin};
use crate::{Facts, Finding, Kind, Object, Reference};

/// Adds to a finding the pods on a node that did not end, and their workloads.
pub fn with_pods_on(facts: &Facts, node: &Object, finding: Finding) -> Finding {
    let is_on = |pod: &&Object| {
        pod.text("/spec/nodeName") == node.name()
            && !matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
    };
    with(facts, facts.all(Kind::Pod).filter(is_on), finding)
}

/// Adds pods and their workloads to a finding.
pub fn with<'f>(facts: &'f Facts, pods: impl Iterator<Item = &'f Object>, finding: Finding) -> Finding {
    pods.fold(finding, |finding, pod| finding.affects(pod.reference()).affects(facts.root(pod).reference()))
}

/// The findings of pods that no node can take. Those of one workload with one message are judged once: there may be
/// hundreds of them.
pub fn judged<'f>(
    facts: &'f Facts,
    pods: impl Iterator<Item = &'f Object>,
    judge: impl Fn(&'f Object) -> Option<Finding>,
    affected: impl Fn(&'f Object) -> Vec<Reference>,
) -> Vec<Finding> {
    let mut alike: BTreeMap<(Reference, &str), Option<Finding>> = BTreeMap::new();
    let mut findings = Vec::new();
    for pod in pods {
        // Those of a DaemonSet are for a node each.
        if affinity::is_for_one_node(pod) {
            findings.extend(judge(pod));
            continue;
        }
        let message = pod.condition("PodScheduled").map_or("", |condition| condition.message);
        match alike.entry((facts.root(pod).reference(), message)) {
            Entry::Vacant(entry) => _ = entry.insert(judge(pod)),
            Entry::Occupied(mut entry) => {
                if let Some(finding) = entry.get_mut() {
                    finding.affects.extend(affected(pod));
                }
            }
        }
    }
    findings.extend(alike.into_values().flatten());
    findings
}

/// Pods that wait for a node, if the scheduler's message has one of the words, and that could run on `node` if it was well.
pub fn waiting<'f>(
    facts: &'f Facts,
    words: &'f [&'f str],
    node: &'f Object,
) -> impl Iterator<Item = &'f Object> {
    const MARKS: [Origin; 2] = [Origin::Trouble, Origin::Cordon];
    unplaced(facts, words).filter(move |pod| could_run(facts, pod, node, &MARKS))
}

/// Pods that no node can take, if the scheduler's message has one of the words.
pub fn unplaced<'f>(facts: &'f Facts, words: &'f [&'f str]) -> impl Iterator<Item = &'f Object> {
    facts.all(Kind::Pod).filter(move |pod| {
        pod.deleted().is_none()
            && pod.condition("PodScheduled").is_some_and(|condition| {
                condition.reason == "Unschedulable"
                    && words.iter().any(|word| condition.message.contains(word))
            })
    })
}
