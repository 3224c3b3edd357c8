//! A Service without a ready endpoint, although it selects pods.
//!
//! Evidence: the pods that it selects.
//! Not to be taken for: a Service that selects no pod (another rule), `publishNotReadyAddresses`, pods that just start
//! or whose readiness probes have not been asked long enough.
//! Source: kubernetes/staging/src/k8s.io/endpointslice.

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, health, probes, selected};

pub(super) const RULE: Rule = Rule { id: "service-unready", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let services = facts.all(Kind::Service).filter(|service| {
        service.text("/spec/type") != "ExternalName" && !service.flag("/spec/publishNotReadyAddresses")
    });
    services.filter_map(|service| of(facts, service)).collect()
}

fn of(facts: &Facts, service: &Object) -> Option<Finding> {
    let pods: Vec<&Object> = selected(facts, service).collect();
    let live: Vec<&Object> = pods.iter().copied().filter(|pod| !health::has_ended(pod)).collect();
    let age = |pod: &Object| pod.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    let is_new = |pod: &Object| age(pod) < health::STARTING || probes::is_starting(pod, facts.now);
    let is_starting = !live.is_empty() && live.iter().all(|pod| is_new(pod));
    if pods.is_empty() || live.iter().any(|pod| health::is_ready(pod)) || is_starting {
        return None;
    }
    let state = |pod: &&&Object| Some(format!("{} {}", pod.name(), health::health(facts, pod)?.detail));
    let shown = if live.is_empty() { &pods } else { &live };
    let states: Vec<String> = shown.iter().take(3).filter_map(|pod| state(&pod)).collect();
    let summary = match live.len() {
        0 => "it has no endpoint: the pods that it selects have ended".to_owned(),
        count => format!("it has no ready endpoint: 0 of {count} selected pods are ready"),
    };
    let finding = Finding::new(RULE.id, service.reference(), summary)
        .with(Evidence::fact(states.join("; "), "status of the pods"))
        .next("find out why the pods are not ready")
        .symptom();
    let affected = |finding: Finding, pod: &Object| {
        finding.affects(pod.reference()).affects(facts.root(pod).reference())
    };
    Some(live.into_iter().fold(finding, affected))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::RULE;
    use crate::recorded::{Recorded, running, with, young};

    #[test]
    fn a_service_whose_pods_are_not_ready_is_a_symptom() {
        let service = |published: bool| {
            with(
                "Service",
                "api",
                json!({"selector": {"app": "api"}, "publishNotReadyAddresses": published}),
                json!({}),
            )
        };
        let mut pod = running("api-1");
        pod["metadata"]["labels"] = json!({"app": "api"});
        let answer = Recorded::new(&[service(false), pod.clone()]).ask("api");
        assert!(answer.contains("no fault found"), "{answer}");
        pod["status"]["conditions"][0]["status"] = "False".into();
        pod["status"]["containerStatuses"][0]["ready"] = false.into();
        let answer = Recorded::new(&[service(false), pod.clone()]).ask("api");
        assert!(
            answer.contains(
                "[service-unready] Service shop/api: it has no ready endpoint: 0 of 1 selected pods are ready"
            ),
            "{answer}"
        );
        let answer = Recorded::new(&[service(true), pod.clone()]).ask_for("api", "shop", "service");
        assert!(!answer.contains("service-unready"), "{answer}");
        // Its probe is not asked for the first ten hours.
        for (delay, is_fault) in [(36_000, false), (10, true)] {
            pod["spec"]["containers"][0]["readinessProbe"] =
                json!({"tcpSocket": {"port": 80}, "initialDelaySeconds": delay});
            let answer = Recorded::new(&[service(false), pod.clone()]).ask_for("api", "shop", "service");
            assert_eq!(answer.contains("\ncause"), is_fault, "{delay}: {answer}");
            assert_eq!(answer.contains("starting"), !is_fault, "{delay}: {answer}");
        }
    }

    #[test]
    fn pods_that_are_young_may_be_unready() {
        let service = with("Service", "api", json!({"selector": {"app": "api"}}), json!({}));
        let mut pod = running("api-1");
        pod["metadata"]["labels"] = json!({"app": "api"});
        pod["status"]["conditions"][0]["status"] = "False".into();
        Recorded::new(&[service.clone(), pod.clone()]).assert_found(&RULE, "0 of 1 selected pods are ready");
        Recorded::new(&[service, young(pod)]).assert_found(&RULE, "");
    }
}
