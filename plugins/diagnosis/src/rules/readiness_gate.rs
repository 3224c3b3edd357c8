//! A pod whose containers are ready and which is not, because a readiness gate is not met.
//!
//! Evidence: the conditions ContainersReady and Ready, and the gate's own condition.
//! Not to be taken for: a container that is not ready, the seconds that a gate's controller needs.
//! Source: kubernetes/pkg/kubelet/status/generate.go.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Object, containers::judged_pods, health::STARTING, object::text, time,
};

pub(super) const RULE: Rule = Rule { id: "readiness-gate", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).flat_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Vec<Finding> {
    let (Some(containers), Some(ready)) = (pod.condition("ContainersReady"), pod.condition("Ready")) else {
        return Vec::new();
    };
    let waited = facts.now.saturating_sub(containers.since.or(pod.created()).unwrap_or(facts.now));
    if containers.status != "True" || ready.status != "False" || waited <= STARTING {
        return Vec::new();
    }
    let gates = pod.list("/spec/readinessGates").iter().map(|gate| text(gate, "/conditionType"));
    let open = gates.filter(|gate| pod.condition(gate).is_none_or(|condition| condition.status != "True"));
    open.map(|gate| {
        let own = pod.condition(gate);
        let state = match own {
            Some(_) => "is not True",
            None => "was never set: its controller has not seen the pod, or does not run",
        };
        let place = format!("status of {}", pod.reference());
        let finding = Finding::new(
            RULE.id,
            facts.root(pod).reference(),
            format!("its containers are ready, and its readiness gate {gate} {state}"),
        );
        let finding = finding.affects(pod.reference()).with(Evidence::quote(
            format!("containers ready since {}", time::age(waited)),
            ready.message,
            &place,
        ));
        let finding = match own {
            Some(own) => finding.with(Evidence::quote(format!("{gate}: {}", own.status), own.message, place)),
            None => finding,
        };
        finding.next(format!(
            "look at the controller that sets the condition {gate} (a load balancer's, for example)"
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, running};

    const GATE: &str = "target-health.elbv2.k8s.aws/web";

    fn gated(since: &str, own: Option<&str>) -> Value {
        let mut pod = running("web-1");
        pod["spec"]["readinessGates"] = json!([{"conditionType": GATE}]);
        let message = format!("corresponding condition of pod readiness gate \"{GATE}\" does not exist.");
        let mut conditions = vec![
            json!({"type": "ContainersReady", "status": "True", "lastTransitionTime": since}),
            json!({"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": message}),
        ];
        conditions.extend(own.map(|status| json!({"type": GATE, "status": status, "message": "Target is in the process of registration"})));
        pod["status"]["conditions"] = conditions.into();
        pod
    }

    #[test]
    fn the_gate_that_is_open_is_named() {
        let answer = Recorded::new(&[gated("2026-11-24T11:30:00Z", None)]).ask("web-1");
        assert!(answer.contains("cause 1 (certain) [readiness-gate] Pod shop/web-1: its containers are ready, and its readiness gate target-health.elbv2.k8s.aws/web was never set"), "{answer}");
        let answer = Recorded::new(&[gated("2026-11-24T11:30:00Z", Some("False"))]).ask("web-1");
        assert!(answer.contains("is not True") && answer.contains("process of registration"), "{answer}");
    }

    #[test]
    fn a_gate_that_is_met_or_young_is_no_fault() {
        for pod in [gated("2026-11-24T11:30:00Z", Some("True")), gated("2026-11-24T11:59:30Z", None)] {
            let answer = Recorded::new(&[pod]).ask("web-1");
            assert!(!answer.contains("readiness-gate"), "{answer}");
        }
    }

    #[test]
    fn a_gate_is_at_fault_only_while_all_containers_are_ready_and_the_pod_is_not() {
        for (containers, ready, words) in
            [("True", "False", "readiness gate"), ("False", "False", ""), ("True", "True", "")]
        {
            let mut pod = gated("2026-11-24T11:30:00Z", None);
            pod["status"]["conditions"][0]["status"] = containers.into();
            pod["status"]["conditions"][1]["status"] = ready.into();
            Recorded::new(&[pod]).assert_found(&RULE, words);
        }
    }
}
