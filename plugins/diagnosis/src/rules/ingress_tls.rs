//! A Secret of an Ingress that its controller says is missing or not usable.
//!
//! Evidence: an event of the Ingress that names the Secret. Secrets are not read, so nothing is claimed without one.
//! Not to be taken for: a Secret that may not be read.
//! Source: events of ingress-gce, cert-manager, AWS and nginx controllers.

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, object::text};

pub(super) const RULE: Rule = Rule { id: "ingress-tls", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Ingress).flat_map(|ingress| of(facts, ingress)).collect()
}

fn of(facts: &Facts, ingress: &Object) -> Vec<Finding> {
    let secrets = ingress.list("/spec/tls").iter().map(|tls| text(tls, "/secretName"));
    let events = facts.events(ingress);
    let finding = |secret: &str| {
        let names_it = |message: &str| {
            message
                .split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.".contains(letter)))
                .any(|word| word.trim_end_matches('.') == secret)
        };
        let is_bad = |message: &str| {
            [
                "not found",
                "does not exist",
                "doesn't exist",
                "no object matching key",
                "invalid",
                "unexpected error",
            ]
            .iter()
            .any(|part| message.contains(part))
        };
        let event = events.iter().find(|event| names_it(event.message()) && is_bad(event.message()))?;
        Some(
            Finding::new(RULE.id, ingress.reference(), format!("its controller cannot use the TLS Secret {secret}"))
                .with(Evidence::quote("", event.message(), format!("event {} x{}", event.reason(), event.count())))
                .certainty(Certainty::Likely)
                .next("check that the Secret is there, is of type kubernetes.io/tls, and is in the namespace of the Ingress"),
        )
    };
    secrets.filter(|secret| !secret.is_empty()).filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::recorded::{Recorded, event, object, with};

    #[test]
    fn a_secret_is_only_named_if_an_event_does() {
        let ingress = with(
            "Ingress",
            "front",
            json!({"ingressClassName": "nginx", "tls": [{"hosts": ["a.example"], "secretName": "front-tls"}]}),
            json!({}),
        );
        let class = object("IngressClass", "nginx");
        let answer = Recorded::new(&[ingress.clone(), class.clone()]).ask("front");
        assert!(answer.contains("no fault found"), "{answer}");
        let event = event(
            &ingress,
            "Sync",
            "Error syncing to GCP: error running load balancer syncing routine: could not find TLS certificate: secrets \"front-tls\" not found",
        );
        let answer = Recorded::new(&[ingress, class, event]).ask("front");
        assert!(answer.contains("cause 1 (likely) [ingress-tls] Ingress shop/front: its controller cannot use the TLS Secret front-tls"), "{answer}");
    }
}
