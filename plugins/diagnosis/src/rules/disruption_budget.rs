//! A PodDisruptionBudget that lets no pod be evicted, while a node is drained or the budget itself is asked about.
//!
//! Evidence: `status.disruptionsAllowed`, joined with cordoned nodes that still have its pods.
//! Not to be taken for: a tight budget with no drain under way, a budget of no pods.
//! Source: kubernetes/pkg/controller/disruption/disruption.go, pkg/registry/core/pod/storage/eviction.go.

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, health, policy::selects};

pub(super) const RULE: Rule = Rule { id: "disruption-budget", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::PodDisruptionBudget).filter_map(|budget| of(facts, budget)).collect()
}

fn of(facts: &Facts, budget: &Object) -> Option<Finding> {
    let number = |field: &str| budget.number(&format!("/status/{field}")).unwrap_or(0);
    let (expected, healthy, wanted) =
        (number("expectedPods"), number("currentHealthy"), number("desiredHealthy"));
    if budget.at("/status").is_none() || number("disruptionsAllowed") > 0 || expected == 0 {
        return None;
    }
    let (summary, next) = if healthy < wanted {
        (
            format!(
                "it lets no pod go, because {} of its pods are not healthy",
                expected.saturating_sub(healthy)
            ),
            "find out why those pods are not ready",
        )
    } else if wanted >= expected {
        (
            "it lets no pod ever go: it wants all of its pods healthy".to_owned(),
            "lower minAvailable, raise maxUnavailable, or add replicas",
        )
    } else {
        (
            format!("it lets no pod go now: it wants {wanted} healthy pods and has {healthy}"),
            "wait for more healthy pods, or add replicas",
        )
    };
    let mut finding = Finding::new(RULE.id, budget.reference(), summary)
        .with(Evidence::fact(
            format!("0 disruptions allowed; {healthy} of {expected} pods healthy, {wanted} wanted"),
            format!("status of {}", budget.reference()),
        ))
        .certainty(Certainty::Likely)
        .next(next)
        .symptom();
    if let Some(condition) =
        budget.condition("DisruptionAllowed").filter(|condition| condition.reason == "SyncFailed")
    {
        finding = finding.with(Evidence::quote("", condition.message, "condition DisruptionAllowed"));
    }
    let selector = budget.at("/spec/selector");
    let pods: Vec<&Object> = facts
        .within(Kind::Pod, budget.namespace())
        .filter(|pod| selects(selector, &pod.map("/metadata/labels")))
        .collect();
    let cordoned = facts.all(Kind::Node).filter(|node| node.flag("/spec/unschedulable"));
    let drained: Vec<&Object> =
        cordoned.filter(|node| pods.iter().any(|pod| pod.text("/spec/nodeName") == node.name())).collect();
    for node in drained {
        finding = finding
            .with(Evidence::fact(
                format!("{} is cordoned and still has pods of it", node.reference()),
                "spec.unschedulable",
            ))
            .affects(node.reference());
    }
    let unhealthy: Vec<&str> =
        pods.iter().filter(|pod| !health::is_ready(pod)).map(|pod| pod.name()).take(3).collect();
    if !unhealthy.is_empty() {
        finding = finding.with(Evidence::fact(format!("not ready: {}", unhealthy.join(", ")), "its pods"));
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, running, with};

    fn cluster(is_cordoned: bool, allowed: i64) -> Vec<Value> {
        let mut pod = running("db-0");
        pod["metadata"]["labels"] = json!({"app": "db"});
        let status = json!({"disruptionsAllowed": allowed, "expectedPods": 1, "currentHealthy": 1, "desiredHealthy": 1,
            "conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": ""}]});
        let budget = with(
            "PodDisruptionBudget",
            "db",
            json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}}),
            status,
        );
        let node = with(
            "Node",
            "n1",
            json!({"unschedulable": is_cordoned}),
            json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        );
        vec![pod, budget, node]
    }

    #[test]
    fn a_budget_that_blocks_a_drain_is_named_at_the_node() {
        let answer = Recorded::new(&cluster(true, 0)).ask("n1");
        assert!(
            answer.contains("[disruption-budget] PodDisruptionBudget shop/db: it lets no pod ever go"),
            "{answer}"
        );
        assert!(answer.contains("Node n1 is cordoned and still has pods of it"), "{answer}");
        let answer = Recorded::new(&cluster(false, 0)).ask_for("db", "shop", "pdb");
        assert!(answer.contains("[disruption-budget]"), "{answer}");
    }

    #[test]
    fn a_tight_budget_alone_is_no_fault() {
        for (is_cordoned, allowed, name) in [(false, 0, "n1"), (false, 0, "db-0"), (true, 1, "n1")] {
            let answer = Recorded::new(&cluster(is_cordoned, allowed)).ask(name);
            assert!(!answer.contains("disruption-budget"), "{answer}");
        }
    }

    #[test]
    fn the_pods_that_are_not_ready_and_a_failed_count_are_shown() {
        let evidence = |is_ready: &str, reason: &str| {
            let mut objects = cluster(false, 0);
            objects[0]["status"]["conditions"][0]["status"] = is_ready.into();
            objects[1]["status"]["conditions"][0]["reason"] = reason.into();
            objects[1]["status"]["conditions"][0]["message"] = "found no controller".into();
            Recorded::new(&objects).ask_for("db", "shop", "pdb")
        };
        let answer = evidence("False", "SyncFailed");
        assert!(answer.contains("not ready: db-0 [") && answer.contains("found no controller"), "{answer}");
        let answer = evidence("True", "InsufficientPods");
        assert!(answer.contains("[disruption-budget]") && !answer.contains("not ready:"), "{answer}");
        assert!(!answer.contains("found no controller"), "{answer}");
    }
}
