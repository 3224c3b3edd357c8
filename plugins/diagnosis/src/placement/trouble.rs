//! The pods that the state of a node puts in trouble.

use crate::{Facts, Finding, Kind, Object};

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

/// Pods that no node can take, if the scheduler's message has one of the words.
pub fn waiting<'f>(facts: &'f Facts, words: &'f [&'f str]) -> impl Iterator<Item = &'f Object> {
    facts.all(Kind::Pod).filter(move |pod| {
        pod.deleted().is_none()
            && pod.condition("PodScheduled").is_some_and(|condition| {
                condition.reason == "Unschedulable"
                    && words.iter().any(|word| condition.message.contains(word))
            })
    })
}
