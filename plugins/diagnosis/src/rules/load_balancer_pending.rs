//! A Service of type LoadBalancer that has no address.
//!
//! Evidence: its status; the reason, if an event has it.
//! Not to be taken for: a young Service, one with addresses of its own (`externalIPs`). Inside the cluster it works all
//! the same, so without an event it is a symptom.
//! Source: kubernetes/staging/src/k8s.io/cloud-provider/controllers/service/controller.go.

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, health};

pub(super) const RULE: Rule = Rule { id: "load-balancer-pending", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts
        .all(Kind::Service)
        .filter(|service| service.text("/spec/type") == "LoadBalancer")
        .filter_map(|service| of(facts, service))
        .collect()
}

fn of(facts: &Facts, service: &Object) -> Option<Finding> {
    let age = service.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    if !service.list("/status/loadBalancer/ingress").is_empty()
        || !service.list("/spec/externalIPs").is_empty()
        || age < 2 * health::STARTING
    {
        return None;
    }
    let class = match service.text("/spec/loadBalancerClass") {
        "" => "no loadBalancerClass".to_owned(),
        class => format!("loadBalancerClass {class}"),
    };
    let state = Evidence::fact(
        format!("status.loadBalancer is empty; {class}"),
        format!("status of {}", service.reference()),
    );
    let events = facts.events(service);
    let failed = events.iter().find(|event| {
        ["SyncLoadBalancerFailed", "AllocationFailed", "FailedDeployModel", "CreatingLoadBalancerFailed"]
            .contains(&event.reason())
    });
    Some(match failed {
        Some(event) => Finding::new(RULE.id, service.reference(), "its load balancer cannot be made")
            .with(Evidence::quote(
                "",
                event.message(),
                format!("event {} x{}", event.reason(), event.count()),
            ))
            .with(state)
            .next("mend what the message names"),
        None => Finding::new(
            RULE.id,
            service.reference(),
            "it has no external address: nothing has made a load balancer for it",
        )
        .with(state)
        .certainty(Certainty::Likely)
        .next("check that a controller for load balancers runs, or use an Ingress or a NodePort")
        .symptom(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::RULE;
    use crate::recorded::{Recorded, event, running, with, young};

    #[test]
    fn the_providers_words_say_why() {
        let mut pod = running("api-1");
        pod["metadata"]["labels"] = json!({"app": "api"});
        let service = |status| {
            with("Service", "api", json!({"type": "LoadBalancer", "selector": {"app": "api"}}), status)
        };
        let pending = service(json!({"loadBalancer": {}}));
        let answer = Recorded::new(&[pending.clone(), pod.clone()]).ask("api");
        assert!(
            answer.contains(
                "cause 1 (likely) [load-balancer-pending] Service shop/api: it has no external address"
            ),
            "{answer}"
        );
        let event = event(
            &pending,
            "SyncLoadBalancerFailed",
            "Error syncing load balancer: failed to ensure load balancer: could not find any suitable subnets for creating the ELB",
        );
        let answer = Recorded::new(&[pending, event, pod.clone()]).ask("api");
        assert!(
            answer.contains("cause 1 (certain) [load-balancer-pending]")
                && answer.contains("suitable subnets"),
            "{answer}"
        );
        let answer =
            Recorded::new(&[service(json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})), pod])
                .ask("api");
        assert!(answer.contains("no fault found"), "{answer}");
    }

    #[test]
    fn a_young_service_may_wait_for_its_address() {
        let service = with("Service", "api", json!({"type": "LoadBalancer"}), json!({}));
        Recorded::new(std::slice::from_ref(&service)).assert_found(&RULE, "it has no external address");
        Recorded::new(&[young(service)]).assert_found(&RULE, "");
    }
}
