//! A change of a Deployment that is not rolled out, because the Deployment is paused.
//!
//! Evidence: `spec.paused`, and fewer updated pods than wanted ones.
//! Not to be taken for: a paused Deployment whose pods all have the present template.
//! Source: kubernetes/pkg/controller/deployment/sync.go.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object,
    template::{changes, revisions},
};

pub(super) const RULE: Rule = Rule { id: "rollout-paused", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let wanted = |deployment: &&Object| {
        let updated = deployment.number("/status/updatedReplicas").unwrap_or(0);
        deployment.flag("/spec/paused") && updated < deployment.number("/spec/replicas").unwrap_or(1)
    };
    facts.all(Kind::Deployment).filter(wanted).map(|deployment| of(facts, deployment)).collect()
}

fn of(facts: &Facts, deployment: &Object) -> Finding {
    let updated = deployment.number("/status/updatedReplicas").unwrap_or(0);
    let wanted = deployment.number("/spec/replicas").unwrap_or(1);
    let newest = revisions(facts, deployment).into_iter().next();
    let change = newest.and_then(|set| {
        let changes = changes(set.at("/spec/template/spec")?, deployment.at("/spec/template/spec")?);
        let place = format!("templates of {} and the Deployment", set.reference());
        (!changes.is_empty()).then(|| Evidence::quote("not rolled out", changes.join("; "), place))
    });
    Finding::new(RULE.id, deployment.reference(), "it is paused, so its change is not rolled out")
        .with(Evidence::fact(
            format!("paused; {updated} of {wanted} pods have the present template"),
            "spec.paused",
        ))
        .change(change)
        .next("resume the rollout, if the pause is no longer meant")
        .symptom()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, owned, with};

    fn paused(updated: i64) -> Vec<Value> {
        let template = |image: &str| json!({"spec": {"containers": [{"name": "app", "image": image}]}});
        let deployment = with(
            "Deployment",
            "web",
            json!({"replicas": 2, "paused": true, "template": template("app:2")}),
            json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": updated}),
        );
        let set = with("ReplicaSet", "web-a", json!({"template": template("app:1")}), json!({}));
        vec![owned(set, &deployment), deployment]
    }

    #[test]
    fn a_pause_is_named_only_if_a_change_waits() {
        let answer = Recorded::new(&paused(0)).ask("web");
        assert!(answer.contains("[rollout-paused] Deployment shop/web: it is paused"), "{answer}");
        assert!(answer.contains("not rolled out: `image of app: app:1 -> app:2`"), "{answer}");
        let answer = Recorded::new(&paused(2)).ask("web");
        assert!(!answer.contains("rollout-paused"), "{answer}");
    }
}
