//! Traffic that NetworkPolicies do not let through: from a pod to a Service that it calls, or to DNS. No status says so: it
//! is an inference from the policies' selectors and the pods' labels.
//!
//! Evidence: every policy that selects the pod lacks a rule for the peer and port; a recent line of a timeout makes it likely.
//! Not to be taken for: policies of blocks of addresses, and peers in namespaces whose labels are not known, which count as
//! let through; clusters whose network plugin does not enforce policies.
//! Source: kubernetes.io/docs/concepts/services-networking/network-policies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Rule, dns};
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Reference, called, health,
    history::is_recent,
    needs::{self, containers},
    object::text,
    policy::{Direction, Port, allows, described, policies},
    selected,
};

pub(super) const RULE: Rule = Rule { id: "network-policy", find };

/// Words of a connection that was not made.
const TROUBLE: [&str; 8] = [
    "timed out",
    "timeout",
    "Timeout",
    "refused",
    "unreachable",
    "ETIMEDOUT",
    "deadline exceeded",
    "ailed to connect",
];

fn find(facts: &Facts) -> Vec<Finding> {
    if facts.all(Kind::NetworkPolicy).next().is_none() {
        return Vec::new();
    }
    let running = |pod: &&Object| pod.text("/status/phase") == "Running" && pod.deleted().is_none();
    // The pods of a workload have the same labels: one that has a log stands for all.
    let mut pods: BTreeMap<Reference, &Object> = BTreeMap::new();
    for pod in facts.all(Kind::Pod).filter(running) {
        let other = pods.entry(facts.root(pod).reference()).or_insert(pod);
        if facts.logs(pod).next().is_some() {
            *other = pod;
        }
    }
    let callers: Vec<Finding> = pods.into_values().flat_map(|pod| of_pod(facts, pod)).collect();
    let services = facts.all(Kind::Service).filter_map(|service| of_service(facts, service)).collect();
    folded(callers, services)
}

/// One finding for a policy and Service: that a caller was kept out, if a log shows it; or else that all are, if so.
fn folded(callers: Vec<Finding>, services: Vec<Finding>) -> Vec<Finding> {
    let is_same = |one: &Finding, other: &Finding| {
        one.object == other.object && !one.affects.is_disjoint(&without(&other.affects, &other.object))
    };
    let is_seen = |finding: &Finding| finding.certainty > Certainty::Guess;
    let kept: Vec<Finding> = callers
        .iter()
        .filter(|caller| is_seen(caller) || !services.iter().any(|service| is_same(caller, service)))
        .cloned()
        .collect();
    let unseen = services
        .into_iter()
        .filter(|service| !callers.iter().any(|caller| is_seen(caller) && is_same(caller, service)));
    unseen.chain(kept).collect()
}

fn without(references: &BTreeSet<Reference>, object: &Reference) -> BTreeSet<Reference> {
    references.iter().filter(|reference| *reference != object).cloned().collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Vec<Finding> {
    let outward = policies(facts, pod, Direction::Egress);
    let mut findings: Vec<Finding> = of_dns(facts, pod, &outward).into_iter().collect();
    let unresolved = facts.logs(pod).find_map(|log| dns::unresolved(facts, pod, log)?.1);
    let unresolved = unresolved.and_then(|host| host.split('.').next());
    for reference in called(facts, pod) {
        let Some(service) = facts.get(&reference) else { continue };
        // A name that is not resolved is never connected to.
        if unresolved == Some(service.name()) {
            continue;
        }
        let Some(peer) = selected(facts, service).find(|peer| health::is_ready(peer)) else { continue };
        let ports = ports(pod, service, peer);
        let inward = policies(facts, peer, Direction::Ingress);
        let sides = [(&outward, Direction::Egress, peer), (&inward, Direction::Ingress, pod)];
        for (policies, direction, other) in sides {
            let is_open = |port: &Port| {
                policies.iter().any(|policy| allows(facts, policy, direction, Some(other), *port))
            };
            let Some(policy) = policies.first().filter(|_| !ports.is_empty() && !ports.iter().any(is_open))
            else {
                continue;
            };
            findings.push(blocked(facts, pod, service, policy, (direction, other, &ports)));
        }
    }
    findings
}

fn blocked(
    facts: &Facts,
    pod: &Object,
    service: &Object,
    policy: &Object,
    (direction, other, ports): (Direction, &Object, &[Port]),
) -> Finding {
    let numbers: Vec<String> =
        ports.iter().map(|port| format!("{}/{}", port.number, port.protocol)).collect();
    let caller = facts.root(pod).reference();
    let summary = match direction {
        Direction::Ingress => format!(
            "it lets no traffic of {caller} into the pods of Service {} at port {}",
            service.name(),
            numbers.join(", ")
        ),
        Direction::Egress => format!(
            "it lets no traffic of {caller} out to the pods of Service {} at port {}",
            service.name(),
            numbers.join(", ")
        ),
    };
    let labels: Vec<String> = other
        .map("/metadata/labels")
        .iter()
        .filter(|(key, _)| !key.ends_with("-hash"))
        .take(6)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut finding = Finding::new(RULE.id, policy.reference(), summary)
        .certainty(Certainty::Guess)
        .affects(service.reference())
        .with(Evidence::fact(described(policy, direction), format!("spec of {}", policy.reference())))
        .with(Evidence::fact(
            format!("an inference: {} has the labels {}", facts.root(other).reference(), labels.join(", ")),
            "metadata.labels",
        ))
        .next("add a rule for that peer and port, if the traffic is meant");
    // Without a line of it, the traffic may be one that is never tried.
    let lines = facts.logs(pod).flat_map(|log| log.lines().rev().map(move |line| (log, line)));
    let line = lines
        .filter(|(_, (time, _))| is_recent(facts, pod, time))
        .find(|(_, (_, line))| TROUBLE.iter().any(|word| line.contains(word)));
    if let Some((log, (_, line))) = line {
        finding = finding
            .certainty(Certainty::Likely)
            .affects(pod.reference())
            .affects(caller)
            .with(Evidence::quote("", line, format!("log {}", log.container)));
    }
    finding
}

/// A pod whose policies let no DNS out, and that cannot resolve a name.
fn of_dns(facts: &Facts, pod: &Object, outward: &[&Object]) -> Option<Finding> {
    let policy = outward.first()?;
    let is_open = |protocol: &'static str| {
        let port = Port { protocol, number: 53, name: "" };
        outward.iter().any(|policy| allows(facts, policy, Direction::Egress, None, port))
    };
    if is_open("UDP") || is_open("TCP") {
        return None;
    }
    let (log, line) = facts.logs(pod).find_map(|log| Some((log, dns::unresolved(facts, pod, log)?.0)))?;
    Some(
        Finding::new(
            RULE.id,
            policy.reference(),
            format!("it lets no DNS (port 53) of {} out", facts.root(pod).reference()),
        )
        .certainty(Certainty::Likely)
        .affects(pod.reference())
        .affects(facts.root(pod).reference())
        .with(Evidence::fact(described(policy, Direction::Egress), format!("spec of {}", policy.reference())))
        .with(Evidence::quote("", line, format!("log {}", log.container)))
        .next("add an egress rule for port 53, UDP and TCP"),
    )
}

/// A Service whose pods no traffic may enter at all.
fn of_service(facts: &Facts, service: &Object) -> Option<Finding> {
    let pod = selected(facts, service).find(|pod| health::is_ready(pod))?;
    let inward = policies(facts, pod, Direction::Ingress);
    let policy =
        inward.first().filter(|_| inward.iter().all(|policy| policy.list("/spec/ingress").is_empty()))?;
    Some(
        Finding::new(
            RULE.id,
            policy.reference(),
            format!("it lets no traffic at all into the pods of Service {}", service.name()),
        )
        .certainty(Certainty::Guess)
        .affects(service.reference())
        .with(Evidence::fact(
            "an inference: no policy of those pods has an ingress rule",
            format!("spec of {}", policy.reference()),
        ))
        .next("add a rule for those who may call the Service, if any may"),
    )
}

/// The ports of a Service's pods that a caller asks for: of its addresses, or else all.
fn ports<'f>(caller: &Object, service: &'f Object, peer: &'f Object) -> Vec<Port<'f>> {
    let asked: Vec<i64> = caller
        .at("/spec")
        .map(needs::addresses)
        .unwrap_or_default()
        .into_iter()
        .filter(|(host, _)| host.split('.').next() == Some(service.name()))
        .map(|(_, port)| port)
        .collect();
    let declared: Vec<(i64, &str)> =
        peer.at("/spec").into_iter().flat_map(containers).flat_map(health::ports).collect();
    let ports = service.list("/spec/ports").iter();
    ports
        .filter(|port| {
            let number = port.pointer("/port").and_then(Value::as_i64).unwrap_or_default();
            asked.is_empty() || asked.contains(&number)
        })
        .filter_map(|port| {
            let target = port.pointer("/targetPort").or(port.pointer("/port"))?;
            let found = declared.iter().find(|(number, name)| match target {
                Value::String(wanted) => name == wanted,
                wanted => wanted.as_i64() == Some(*number),
            });
            let (number, name) = found.copied().or(target.as_i64().map(|number| (number, "")))?;
            let protocol = match text(port, "/protocol") {
                "" => "TCP",
                protocol => protocol,
            };
            Some(Port { protocol, number, name })
        })
        .collect()
}

#[cfg(test)]
mod tests;
