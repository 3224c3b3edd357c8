//! A ResourceQuota that is used up: the API server refuses to create what would exceed it.
//!
//! Evidence: the API server's words in the condition ReplicaFailure or an event; without them the join of what a quota
//! leaves with what a pod of the template asks for.
//! Not to be taken for: a quota that is full while all workloads have their pods, one with scopes (unless named), a
//! quota that wants limits (`quota-needs-limits`).
//! Source: kubernetes/staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go.

use std::cmp::Reverse;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference,
    demand::{self, Bound, Demand},
    needs,
    object::text,
    quantity,
    refusals::{Check, Shortage, between, shortages},
};

pub(super) const RULE: Rule = Rule { id: "quota-exceeded", find };

const NEXT: &str = "raise the quota, or lower what the workloads of the namespace ask for: resources_describe of the quota shows its use";

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .flat_map(|shortage| match shortage.message(Check::Quota) {
            Some(message) => named(facts, shortage, message),
            None if shortage.refusal.is_none() => joined(facts, shortage),
            None => Vec::new(),
        })
        .collect()
}

/// The quotas that a message names.
fn named(facts: &Facts, shortage: &Shortage<'_>, message: &str) -> Vec<Finding> {
    let parts = message.split("exceeded quota: ").skip(1);
    parts
        .filter_map(|part| {
            let name = part.split(',').next().map(str::trim).filter(|name| !name.is_empty())?;
            let values = |mark: &str| pairs(between(part, mark, &[' ', '\n']).unwrap_or_default());
            let (asked, used, limited) = (values("requested: "), values("used: "), values("limited: "));
            let reference = Reference::new(Kind::ResourceQuota, shortage.workload.namespace(), name);
            let quota = facts.get(&reference);
            let of = |values: &[(&str, &str)], field: &str, key: &str| {
                let now = quota.and_then(|quota| at(quota, field, key));
                now.or_else(|| {
                    values.iter().find(|(other, _)| *other == key).map(|(_, value)| (*value).to_owned())
                })
            };
            let full = asked.iter().map(|(key, one)| {
                let used = of(&used, "used", key).unwrap_or_default();
                let hard = of(&limited, "hard", key).unwrap_or_default();
                format!("{used} of {hard} {key} is used, one more asks for {one}")
            });
            let full: Vec<String> = full.collect();
            let full = if full.is_empty() { "it is used up".to_owned() } else { full.join("; ") };
            let summary = format!("it leaves too little: {full}");
            let finding = shortage.explained_by(facts, Finding::new(RULE.id, reference, summary));
            Some(with_users(facts, shortage, part, finding).next(NEXT))
        })
        .collect()
}

/// `limits.cpu=2,pods=1` as pairs.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).collect()
}

fn at(quota: &Object, field: &str, key: &str) -> Option<String> {
    let values = quota.map(&format!("/status/{field}"));
    values.into_iter().find(|(other, _)| *other == key).map(|(_, value)| value.to_owned())
}

/// The quotas that leave less than a pod of the template asks for.
fn joined(facts: &Facts, shortage: &Shortage<'_>) -> Vec<Finding> {
    let Some(spec) = needs::pod_spec(shortage.workload) else { return Vec::new() };
    let mut asked = of_quota(&demand::of_spec(spec, Bound::Requests), &demand::of_spec(spec, Bound::Limits));
    asked.extend(of_claims(facts, shortage.workload));
    let of_quota = |quota: &Object| {
        let lacking: Vec<String> = quota
            .map("/status/hard")
            .into_iter()
            .filter_map(|(key, hard)| {
                let used = at(quota, "used", key).unwrap_or_default();
                let asks = *asked.get(key)?;
                let free = quantity::parse(hard)? - quantity::parse(&used)?;
                (asks > free).then(|| {
                    format!("{used} of {hard} {key} is used, one more asks for {}", quantity::show(key, asks))
                })
            })
            .collect();
        let has_scopes = !quota.list("/spec/scopes").is_empty() || quota.at("/spec/scopeSelector").is_some();
        if lacking.is_empty() || has_scopes {
            return None;
        }
        let summary = format!("it leaves too little: {}", lacking.join("; "));
        let finding = Finding::new(RULE.id, quota.reference(), summary).certainty(Certainty::Likely);
        let finding = shortage.explained_by(facts, finding);
        Some(with_users(facts, shortage, &lacking.join(","), finding).next(NEXT))
    };
    facts.within(Kind::ResourceQuota, shortage.workload.namespace()).filter_map(of_quota).collect()
}

/// A pod's demand by the names that quotas have for it.
fn of_quota(requests: &Demand, limits: &Demand) -> Demand {
    let mut asked: Demand =
        [("pods", 1000), ("count/pods", 1000)].map(|(key, value)| (key.to_owned(), value)).into();
    for (key, value) in requests {
        asked.insert(format!("requests.{key}"), *value);
        if matches!(key.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            asked.insert(key.clone(), *value);
        }
    }
    asked.extend(limits.iter().map(|(key, value)| (format!("limits.{key}"), *value)));
    asked
}

/// The demand of the claims that the next pod of a StatefulSet brings.
fn of_claims(facts: &Facts, workload: &Object) -> Demand {
    let mut asked = Demand::new();
    if workload.kind() != Kind::StatefulSet {
        return asked;
    }
    let number = |pointer: &str| workload.number(pointer).unwrap_or(0);
    let next = number("/spec/ordinals/start") + number("/status/replicas");
    for template in workload.list("/spec/volumeClaimTemplates") {
        let name = format!("{}-{}-{next}", text(template, "/metadata/name"), workload.name());
        if !matches!(facts.find(Kind::PersistentVolumeClaim, workload.namespace(), &name), Presence::Absent) {
            continue;
        }
        let class = text(template, "/spec/storageClassName");
        let storage = quantity::parse(text(template, "/spec/resources/requests/storage")).unwrap_or_default();
        for (key, value) in [("persistentvolumeclaims", 1000), ("requests.storage", storage)] {
            let own = (!class.is_empty()).then(|| format!("{class}.storageclass.storage.k8s.io/{key}"));
            for key in own.into_iter().chain([key.to_owned()]) {
                *asked.entry(key).or_default() += value;
            }
        }
    }
    asked
}

/// Adds the workloads that use the most of the first resource that `text` names.
fn with_users(facts: &Facts, shortage: &Shortage<'_>, text: &str, finding: Finding) -> Finding {
    let bound = if text.contains("limits.") { Bound::Limits } else { Bound::Requests };
    let Some(resource) = ["cpu", "memory"].into_iter().find(|resource| text.contains(resource)) else {
        return finding;
    };
    let namespace = shortage.workload.namespace();
    if !facts.is_listed(Kind::Pod, namespace) {
        return finding;
    }
    let mut users: Vec<(Reference, i128)> = Vec::new();
    let is_live = |pod: &&Object| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
    for pod in facts.within(Kind::Pod, namespace).filter(is_live) {
        let Some(spec) = pod.at("/spec") else { continue };
        let asks = demand::of_spec(spec, bound).get(resource).copied().unwrap_or_default();
        let root = facts.root(pod).reference();
        match users.iter_mut().find(|(user, _)| *user == root) {
            Some((_, sum)) => *sum += asks,
            None => users.push((root, asks)),
        }
    }
    users.sort_by_key(|(user, sum)| (Reverse(*sum), user.clone()));
    let users: Vec<String> = users
        .iter()
        .filter(|(_, sum)| *sum > 0)
        .take(3)
        .map(|(user, sum)| format!("{} {} {}", user.kind, user.name, quantity::show(resource, *sum)))
        .collect();
    if users.is_empty() {
        return finding;
    }
    let label = format!("{}.{resource} of the namespace: {}", bound.field(), users.join(", "));
    finding.with(Evidence::fact(label, "pods"))
}

#[cfg(test)]
mod tests;
