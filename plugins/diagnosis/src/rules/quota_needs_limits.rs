//! A ResourceQuota that wants a request or limit of every container, and a template that gives none.
//!
//! Evidence: the API server's words; without them the join of the quota's resources with the template's, after the
//! defaults of LimitRanges.
//! Not to be taken for: a quota that is used up (`quota-exceeded`), a limit that a LimitRange gives.
//! Source: kubernetes/pkg/quota/v1/evaluator/core/pods.go.

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Facts, Finding, Kind, Object,
    demand::{self, Bound},
    needs,
    object::{list, text},
    refusals::{Check, Shortage, between, shortages},
};

pub(super) const RULE: Rule = Rule { id: "quota-needs-limits", find };

/// Resources that a quota wants of every container as soon as it counts them.
const WANTED: [(&str, Bound, &str); 6] = [
    ("cpu", Bound::Requests, "cpu"),
    ("requests.cpu", Bound::Requests, "cpu"),
    ("limits.cpu", Bound::Limits, "cpu"),
    ("memory", Bound::Requests, "memory"),
    ("requests.memory", Bound::Requests, "memory"),
    ("limits.memory", Bound::Limits, "memory"),
];

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .flat_map(|shortage| match shortage.message(Check::QuotaNeedsLimits) {
            Some(message) => named(facts, shortage, message).into_iter().collect(),
            None if shortage.refusal.is_none() => joined(facts, shortage),
            None => Vec::new(),
        })
        .collect()
}

fn named(facts: &Facts, shortage: &Shortage<'_>, message: &str) -> Option<Finding> {
    let quota = between(message, "failed quota: ", &[':'])?;
    let (_, wanted) = message.split_once("must specify ")?;
    // "limits.cpu for: app,proxy; limits.memory for: app"; before Kubernetes 1.24 "limits.cpu,limits.memory".
    let wanted: Vec<String> = wanted
        .split(';')
        .map(|part| match part.trim().split_once(" for: ") {
            Some((resource, containers)) => {
                format!(
                    "{} (container {})",
                    resource.trim_start_matches("must specify "),
                    containers.replace(',', ", ")
                )
            }
            None => part.trim().replace(',', ", "),
        })
        .collect();
    Some(finding(facts, shortage, quota, &wanted.join(", ")))
}

fn finding(facts: &Facts, shortage: &Shortage<'_>, quota: &str, wanted: &str) -> Finding {
    let summary =
        format!("its template gives no {wanted}, which ResourceQuota {quota} wants of every container");
    let finding = Finding::new(RULE.id, facts.root(shortage.workload).reference(), summary);
    shortage
        .explained_by(facts, finding)
        .next("add it to the resources of the template, or give the namespace a LimitRange with defaults")
}

fn joined(facts: &Facts, shortage: &Shortage<'_>) -> Vec<Finding> {
    let workload = shortage.workload;
    let Some(spec) = needs::pod_spec(workload) else { return Vec::new() };
    if !facts.is_listed(Kind::LimitRange, workload.namespace()) || spec.pointer("/resources").is_some() {
        return Vec::new();
    }
    let of_quota = |quota: &Object| {
        let hard = quota.at("/spec/hard")?;
        let has_scopes = !quota.list("/spec/scopes").is_empty() || quota.at("/spec/scopeSelector").is_some();
        let missing: Vec<String> = WANTED
            .iter()
            .filter(|(name, ..)| hard.get(*name).is_some())
            .filter_map(|(name, bound, resource)| {
                let without = without(facts, workload.namespace(), spec, *bound, resource);
                (!without.is_empty()).then(|| format!("{name} (container {})", without.join(", ")))
            })
            .collect();
        (!missing.is_empty() && !has_scopes)
            .then(|| finding(facts, shortage, quota.name(), &missing.join(", ")).certainty(Certainty::Likely))
    };
    facts.within(Kind::ResourceQuota, workload.namespace()).filter_map(of_quota).collect()
}

/// The containers that have no request or limit of a resource, also not by default.
fn without<'s>(
    facts: &Facts,
    namespace: &str,
    spec: &'s Value,
    bound: Bound,
    resource: &str,
) -> Vec<&'s str> {
    let defaults: &[&str] = match bound {
        // A default limit is a default request, too.
        Bound::Requests => &["defaultRequest", "default"],
        Bound::Limits => &["default"],
    };
    let gives = |limit: &Value| {
        let has = |field: &&str| limit.get(*field).is_some_and(|values| values.get(resource).is_some());
        text(limit, "/type") == "Container" && defaults.iter().any(has)
    };
    if facts.within(Kind::LimitRange, namespace).any(|range| range.list("/spec/limits").iter().any(gives)) {
        return Vec::new();
    }
    ["/initContainers", "/containers"]
        .into_iter()
        .flat_map(|field| list(spec, field))
        .filter(|container| !demand::of_container(container, bound).contains_key(resource))
        .map(|container| text(container, "/name"))
        .collect()
}

#[cfg(test)]
mod tests;
