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
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object},
    };

    fn workload(kind: &str) -> Value {
        let mut workload = object(kind, "cart");
        let container = json!({"name": "app", "resources": {"requests": {"memory": "64Mi", "cpu": "10m"}, "limits": {"memory": "64Mi"}}});
        workload["spec"] = json!({"replicas": 3, "template": {"spec": {"containers": [container]}}});
        workload["status"] = json!({"desiredNumberScheduled": 2});
        workload
    }

    fn quota() -> Value {
        let mut quota = object("ResourceQuota", "team");
        let hard = json!({"requests.cpu": "100m", "limits.cpu": "100m", "limits.memory": "500Mi"});
        quota["spec"] = json!({"hard": hard});
        quota["status"] =
            json!({"hard": hard, "used": {"requests.cpu": "0", "limits.cpu": "0", "limits.memory": "0"}});
        quota
    }

    #[test]
    fn the_words_of_either_version_name_quota_and_resource() {
        for (words, summary) in [
            (
                "must specify limits.cpu for: app; limits.memory for: app,proxy",
                "limits.cpu (container app), limits.memory (container app, proxy)",
            ),
            ("must specify limits.cpu,limits.memory", "limits.cpu, limits.memory"),
        ] {
            let message = format!("pods \"cart-6d4-x\" is forbidden: failed quota: team: {words}");
            let mut set = workload("ReplicaSet");
            set["metadata"]["name"] = "cart-6d4".into();
            set["metadata"]["ownerReferences"] =
                json!([{"kind": "Deployment", "name": "cart", "controller": true}]);
            set["status"] = json!({"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]});
            let answer = Recorded::new(&[workload("Deployment"), set, quota()]).ask("cart");
            assert!(
                answer.contains(&format!("cause 1 (certain) [quota-needs-limits] Deployment shop/cart: its template gives no {summary}, which ResourceQuota team wants")),
                "{answer}"
            );
            assert!(answer.contains(words) && !answer.contains("exceeded"), "{answer}");
            // A Deployment has the condition, too: it counts if nobody may list ReplicaSets.
            let mut alone = workload("Deployment");
            alone["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]);
            let answer = Recorded::new(&[alone, quota()]).deny(Kind::ReplicaSet).ask("cart");
            assert!(
                answer.contains("cause 1 (certain) [quota-needs-limits] Deployment shop/cart"),
                "{answer}"
            );
        }
    }

    #[test]
    fn without_its_event_a_set_or_job_is_joined_with_quota_and_defaults() {
        for kind in ["StatefulSet", "DaemonSet", "Job"] {
            let answer = Recorded::new(&[workload(kind), quota()]).ask("cart");
            assert!(
                answer.contains(&format!("cause 1 (likely) [quota-needs-limits] {kind} shop/cart: its template gives no limits.cpu (container app), which ResourceQuota team wants")),
                "{answer}"
            );
            let mut range = object("LimitRange", "defaults");
            range["spec"] = json!({"limits": [{"type": "Container", "default": {"cpu": "50m"}}]});
            for cluster in [
                Recorded::new(&[workload(kind), quota(), range]),
                Recorded::new(&[workload(kind), quota()]).deny(Kind::LimitRange),
                Recorded::new(&[workload(kind), quota()]).deny(Kind::ResourceQuota),
            ] {
                let answer = cluster.ask("cart");
                assert!(!answer.contains("quota-needs-limits"), "{answer}");
            }
        }
    }

    #[test]
    fn a_refusal_that_is_over_is_no_fault() {
        let mut set = workload("StatefulSet");
        set["status"] = json!({"replicas": 3});
        let old = event(
            &set,
            "FailedCreate",
            "create Pod cart-0 in StatefulSet cart failed error: pods \"cart-0\" is forbidden: failed quota: team: must specify limits.cpu for: app",
        );
        let answer = Recorded::new(&[set, old, quota()]).ask("cart");
        assert!(!answer.contains("quota-needs-limits"), "{answer}");
    }
}
