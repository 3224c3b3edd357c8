//! A template that names a ServiceAccount or PriorityClass that does not exist: the API server refuses its pods.
//!
//! Evidence: the API server's words; without them the whole list that lacks the object.
//! Not to be taken for: an account that was deleted after the pods were made, or that came meanwhile.
//! Source: kubernetes/plugin/pkg/admission/serviceaccount, kubernetes/plugin/pkg/admission/priority.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference, needs,
    object::text,
    refusals::{Check, Shortage, shortages},
};

pub(super) const ACCOUNT: Rule = Rule { id: "service-account-missing", find: accounts };
pub(super) const PRIORITY: Rule = Rule { id: "priority-class-missing", find: priorities };

fn accounts(facts: &Facts) -> Vec<Finding> {
    find(facts, ACCOUNT.id, Check::ServiceAccount, Kind::ServiceAccount)
}

fn priorities(facts: &Facts) -> Vec<Finding> {
    find(facts, PRIORITY.id, Check::PriorityClass, Kind::PriorityClass)
}

fn find(facts: &Facts, id: &'static str, check: Check, kind: Kind) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .filter_map(|shortage| {
            let is_named = shortage.message(check).is_some();
            if !is_named && shortage.refusal.is_some() {
                return None;
            }
            of_shortage(facts, shortage, id, kind, is_named)
        })
        .collect()
}

fn of_shortage(
    facts: &Facts,
    shortage: &Shortage<'_>,
    id: &'static str,
    kind: Kind,
    is_named: bool,
) -> Option<Finding> {
    let spec = needs::pod_spec(shortage.workload)?;
    let name = match kind {
        Kind::PriorityClass => text(spec, "/priorityClassName"),
        // The older field still works.
        _ => [text(spec, "/serviceAccountName"), text(spec, "/serviceAccount"), "default"]
            .into_iter()
            .find(|name| !name.is_empty())?,
    };
    // A controller makes the account `default` anew, so that only the API server's words tell of its absence.
    if name.is_empty() || (name == "default" && !is_named) {
        return None;
    }
    let reference = Reference::new(kind, shortage.workload.namespace(), name);
    let (summary, certainty) = match facts.find(kind, &reference.namespace, name) {
        Presence::Absent if is_named => ("it does not exist", Certainty::Certain),
        Presence::Absent => ("it does not exist", Certainty::Likely),
        Presence::Unknown if is_named => ("it does not exist, says the API server", Certainty::Certain),
        Presence::Found(_) if is_named => (
            "it exists now, but did not when pods were to be created: that is tried again within minutes",
            Certainty::Likely,
        ),
        Presence::Found(_) | Presence::Unknown => return None,
    };
    let finding = Finding::new(id, reference, summary).certainty(certainty);
    let mut finding = shortage.explained_by(facts, finding);
    let others: Vec<&str> =
        facts.within(kind, shortage.workload.namespace()).map(Object::name).take(8).collect();
    if !others.is_empty() {
        finding = finding.with(Evidence::fact(
            format!("there are: {}", others.join(", ")),
            format!("list of {}", kind.plural()),
        ));
    }
    Some(finding.next(format!("create the {kind}, or correct its name in the template")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object},
    };

    fn job(spec: Value) -> Value {
        let mut job = object("Job", "load");
        job["spec"] = json!({"parallelism": 1, "completions": 1, "template": {"spec": spec}});
        job["status"] = json!({"startTime": "2026-11-24T11:00:00Z"});
        job
    }

    #[test]
    fn the_account_is_named_with_those_that_are_there() {
        let job = job(json!({"serviceAccountName": "loader", "containers": []}));
        let message = "Error creating: pods \"load-\" is forbidden: error looking up service account shop/loader: serviceaccount \"loader\" not found";
        let objects =
            [job.clone(), object("ServiceAccount", "default"), event(&job, "FailedCreate", message)];
        let answer = Recorded::new(&objects).ask("load");
        assert!(answer.contains("cause 1 (certain) [service-account-missing] ServiceAccount shop/loader: it does not exist (affects 1 Job)"), "{answer}");
        assert!(answer.contains("there are: default [list of serviceaccounts]"), "{answer}");
        let answer = Recorded::new(&objects[..2]).ask("load");
        assert!(answer.contains("cause 1 (likely) [service-account-missing]"), "{answer}");
        let answer = Recorded::new(&objects[..2]).deny(Kind::ServiceAccount).ask("load");
        assert!(!answer.contains("service-account-missing"), "{answer}");
        let answer = Recorded::new(&[objects[0].clone(), object("ServiceAccount", "loader")]).ask("load");
        assert!(!answer.contains("service-account-missing"), "{answer}");
    }

    #[test]
    fn a_priority_class_that_is_missing_is_named() {
        let mut set = object("ReplicaSet", "web-1");
        set["spec"] =
            json!({"replicas": 1, "template": {"spec": {"priorityClassName": "urgent", "containers": []}}});
        let message = "pods \"web-1-\" is forbidden: no PriorityClass with name urgent was found";
        set["metadata"]["ownerReferences"] =
            json!([{"kind": "Deployment", "name": "web", "controller": true}]);
        let web = object("Deployment", "web");
        set["status"] = json!({"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]});
        let answer = Recorded::new(&[web.clone(), set.clone(), object("PriorityClass", "high")]).ask("web");
        assert!(
            answer.contains(
                "cause 1 (certain) [priority-class-missing] PriorityClass urgent: it does not exist"
            ),
            "{answer}"
        );
        assert!(answer.contains("there are: high"), "{answer}");
        set["status"] = json!({"replicas": 1});
        let answer = Recorded::new(&[web, set]).ask("web");
        assert!(!answer.contains("priority-class-missing"), "{answer}");
    }
}
