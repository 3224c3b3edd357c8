//! A HorizontalPodAutoscaler that wants more pods than its maximum allows.
//!
//! Evidence: the condition ScalingLimited with the reason TooManyReplicas, for a quarter of an hour.
//! Not to be taken for: TooFewReplicas at the minimum, a peak of minutes.
//! Source: kubernetes/pkg/controller/podautoscaler/horizontal.go; the alert KubeHpaMaxedOut of kubernetes-mixin.

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, needs, object::text};

pub(super) const RULE: Rule = Rule { id: "autoscaler-at-maximum", find };

/// Seconds before it counts.
const PEAK: u64 = 15 * 60;

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::HorizontalPodAutoscaler).filter_map(|scaler| of(facts, scaler)).collect()
}

fn of(facts: &Facts, scaler: &Object) -> Option<Finding> {
    let most = scaler.number("/spec/maxReplicas")?;
    let condition = scaler.condition("ScalingLimited")?;
    let is_limited = condition.status == "True" && condition.reason == "TooManyReplicas";
    let is_short = condition.since.is_some_and(|since| facts.now.saturating_sub(since) < PEAK);
    if !is_limited || is_short || scaler.number("/status/currentReplicas").unwrap_or(0) < most {
        return None;
    }
    let mut finding = Finding::new(
        RULE.id,
        scaler.reference(),
        format!("it is at its maximum of {most} replicas and wants more"),
    )
    .with(Evidence::quote("", condition.message, "condition ScalingLimited"))
    .next("raise maxReplicas if quota and nodes have room, or give each pod more")
    .symptom();
    for metric in scaler.list("/status/currentMetrics").iter().take(2) {
        let name = text(metric, "/resource/name");
        let wanted =
            scaler.list("/spec/metrics").iter().find(|metric| text(metric, "/resource/name") == name);
        let target = wanted.and_then(|metric| metric.pointer("/resource/target/averageUtilization"));
        let current = metric.pointer("/resource/current/averageUtilization");
        if let (Some(current), Some(target)) = (current, target) {
            finding = finding.with(Evidence::fact(
                format!("{name} is at {current} %, the target is {target} %"),
                "status.currentMetrics",
            ));
        }
    }
    Some(needs::needs(scaler).into_iter().fold(finding, |finding, need| finding.affects(need.object)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, with};

    fn scaler(reason: &str, since: &str) -> Value {
        let condition = json!({"type": "ScalingLimited", "status": "True", "reason": reason, "lastTransitionTime": since,
            "message": "the desired replica count is more than the maximum replica count"});
        with(
            "HorizontalPodAutoscaler",
            "web",
            json!({"maxReplicas": 10, "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}),
            json!({"currentReplicas": 10, "conditions": [condition], "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 190, "averageValue": "1"}}}]}),
        )
    }

    #[test]
    fn the_use_stands_beside_the_maximum() {
        let target = with("Deployment", "web", json!({"replicas": 10}), json!({"readyReplicas": 10}));
        let answer =
            Recorded::new(&[scaler("TooManyReplicas", "2026-11-24T11:00:00Z"), target.clone()]).ask("web");
        assert!(
            answer.contains(
                "[autoscaler-at-maximum] HorizontalPodAutoscaler shop/web: it is at its maximum of 10"
            ),
            "{answer}"
        );
        assert!(answer.contains("cpu is at 190 %, the target is 80 %"), "{answer}");
        for (reason, since) in
            [("TooFewReplicas", "2026-11-24T11:00:00Z"), ("TooManyReplicas", "2026-11-24T11:55:00Z")]
        {
            let answer = Recorded::new(&[scaler(reason, since), target.clone()]).ask("web");
            assert!(!answer.contains("autoscaler-at-maximum"), "{answer}");
        }
    }
}
