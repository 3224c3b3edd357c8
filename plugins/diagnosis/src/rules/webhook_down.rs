//! An admission webhook that does not answer, without which no pod is created.
//!
//! Evidence: the API server's words; without them the state of the Services behind the webhooks that pods of the
//! namespace need.
//! Not to be taken for: a webhook with `failurePolicy: Ignore`, one whose selectors exclude the pod, one that says no.
//! Source: kubernetes/staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding,
    refusals::{Check, Shortage, between, shortages},
    webhooks,
};

pub(super) const RULE: Rule = Rule { id: "webhook-down", find };

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .flat_map(|shortage| match shortage.message(Check::WebhookDown) {
            Some(message) => named(facts, shortage, message).into_iter().collect(),
            None if shortage.refusal.is_none() => joined(facts, shortage),
            None => Vec::new(),
        })
        .collect()
}

fn named(facts: &Facts, shortage: &Shortage<'_>, message: &str) -> Option<Finding> {
    let name = between(message, "webhook \"", &['"'])?;
    let webhook = webhooks::find(facts, name);
    let service = webhooks::service_of(message).or_else(|| webhook.and_then(|webhook| webhook.service()));
    let object = match (&service, webhook) {
        (Some(service), _) => service.clone(),
        (None, Some(webhook)) => webhook.configuration.reference(),
        // One that is reached by an address outside the cluster.
        (None, None) => facts.root(shortage.workload).reference(),
    };
    let (cause, next) = cause(message);
    let finding = Finding::new(
        RULE.id,
        object,
        format!("admission webhook {name} fails, and without it no pod is created: {cause}"),
    );
    let mut finding = shortage.explained_by(facts, finding).next(next);
    if let Some(outage) = service
        .as_ref()
        .and_then(|service| webhooks::outage(facts, service))
        .filter(|outage| *outage != cause)
    {
        finding = finding.with(Evidence::fact(outage, "list of endpointslices"));
    }
    if let Some(webhook) = webhook {
        finding = finding.with(Evidence::fact(
            format!("{}: failurePolicy Fail", webhook.configuration.reference()),
            "webhooks",
        ));
    }
    Some(finding)
}

/// The meaning of the API server's words.
fn cause(message: &str) -> (&'static str, &'static str) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    let pods = "mend the pods behind the Service of the webhook: diagnose that Service";
    if has(&["x509", "certificate"]) {
        let expired = has(&["expired", "not yet valid"]);
        let cause = if expired {
            "its certificate has expired or is not yet valid"
        } else {
            "its certificate is not trusted"
        };
        (cause, "renew the certificate of the webhook and the caBundle of its configuration")
    } else if has(&["no endpoints available"]) {
        ("its Service has no ready endpoint", pods)
    } else if has(&["service \""]) && has(&["not found"]) {
        (
            "its Service does not exist",
            "install the webhook's Service again, or remove its configuration if it was uninstalled",
        )
    } else if has(&["connection refused"]) {
        ("it refuses connections", pods)
    } else if has(&["deadline exceeded", "Client.Timeout", "i/o timeout", "no route to host"]) {
        (
            "it does not answer in time",
            "check the webhook's pods, and network policies between the API server and them",
        )
    } else if has(&["could not find the requested resource"]) {
        ("its address or path is not served", "correct the path or port of its configuration")
    } else {
        ("the quote says why", pods)
    }
}

fn joined(facts: &Facts, shortage: &Shortage<'_>) -> Vec<Finding> {
    webhooks::guards(facts, shortage.workload)
        .iter()
        .filter_map(|webhook| {
            let service = webhook.service()?;
            let outage = webhooks::outage(facts, &service)?;
            let summary = format!(
                "admission webhook {} fails, and without it no pod is created: {outage}",
                webhook.name()
            );
            let finding = Finding::new(RULE.id, service, summary).certainty(Certainty::Likely);
            let fact = format!("{}: failurePolicy Fail", webhook.configuration.reference());
            let finding = shortage.explained_by(facts, finding).with(Evidence::fact(fact, "webhooks"));
            Some(finding.next("mend the pods behind the Service of the webhook: diagnose that Service"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
