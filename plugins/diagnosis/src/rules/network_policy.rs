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
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, running, with},
    };

    fn cluster(ingress: Value) -> Vec<Value> {
        let mut client = running("web");
        client["metadata"]["labels"] = json!({"app": "web"});
        client["spec"]["containers"][0]["env"] = json!([{"name": "DB", "value": "store:5432"}]);
        let mut store = running("store-0");
        store["metadata"]["labels"] = json!({"app": "store"});
        store["spec"]["containers"][0]["name"] = "db".into();
        store["status"]["containerStatuses"][0]["name"] = "db".into();
        store["spec"]["containers"][0]["ports"] = json!([{"containerPort": 5432, "name": "pg"}]);
        let service = with(
            "Service",
            "store",
            json!({"selector": {"app": "store"}, "ports": [{"port": 5432, "targetPort": "pg"}]}),
            json!({}),
        );
        let policy = with(
            "NetworkPolicy",
            "store",
            json!({"podSelector": {"matchLabels": {"app": "store"}}, "policyTypes": ["Ingress"], "ingress": ingress}),
            json!({}),
        );
        vec![client, store, service, policy]
    }

    #[test]
    fn traffic_that_no_rule_lets_in_is_likely_with_a_timeout_and_else_a_guess() {
        let closed = cluster(
            json!([{"from": [{"podSelector": {"matchLabels": {"tier": "backend"}}}], "ports": [{"port": 5432}]}]),
        );
        let answer = Recorded::new(&closed)
            .log("app", false, "error: connect to store: connection timed out")
            .ask("web");
        assert!(answer.contains("cause 1 (likely) [network-policy] NetworkPolicy shop/store: it lets no traffic of Pod shop/web into the pods of Service store at port 5432/TCP"), "{answer}");
        assert!(
            answer.contains("lets in only: pods with tier=backend at 5432")
                && answer.contains("an inference: Pod shop/web has the labels app=web"),
            "{answer}"
        );
        for name in ["web", "store"] {
            let answer = Recorded::new(&closed).ask(name);
            assert!(answer.contains("(guess) [network-policy]"), "{answer}");
        }
        let answer = Recorded::new(&closed).deny(Kind::NetworkPolicy).ask("web");
        assert!(!answer.contains("network-policy"), "{answer}");
    }

    #[test]
    fn traffic_that_a_rule_lets_in_is_no_fault() {
        for ingress in [
            json!([{}]),
            json!([{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]),
            json!([{"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "x"]}]}}], "ports": [{"port": "pg"}]}]),
            json!([{"from": [{"podSelector": {}}], "ports": [{"port": 5000, "endPort": 6000}]}]),
            json!([{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]),
            json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
        ] {
            let answer = Recorded::new(&cluster(ingress)).log("app", false, "error: timed out").ask("web");
            assert!(!answer.contains("network-policy"), "{answer}");
        }
    }

    #[test]
    fn a_policy_that_lets_nothing_in_is_one_finding() {
        let closed = cluster(json!([]));
        let answer = Recorded::new(&closed).ask("web");
        assert!(answer.contains("cause 1 (guess) [network-policy] NetworkPolicy shop/store: it lets no traffic at all into the pods of Service store"), "{answer}");
        assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
        let answer = Recorded::new(&closed)
            .log("app", false, "error: connect to store: connection timed out")
            .ask("web");
        assert!(answer.contains("cause 1 (likely) [network-policy] NetworkPolicy shop/store: it lets no traffic of Pod shop/web"), "{answer}");
        assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
    }

    /// A connection that was never tried, because the name is not resolved, is not the first guess.
    #[test]
    fn a_name_that_is_not_resolved_comes_before_a_policy() {
        let mut closed = cluster(json!([]));
        closed[2]["metadata"]["creationTimestamp"] = "2026-11-24T10:00:00Z".into();
        let answer = Recorded::new(&closed).log("app", false, "wget: bad address 'store:5432'").ask("web");
        assert!(answer.contains("cause 1 (likely) [dns] Pod shop/web: the name store is not resolved, although the Service store exists"), "{answer}");
    }

    #[test]
    fn a_pod_whose_names_no_policy_lets_out_is_named() {
        let mut objects = cluster(json!([{}]));
        let policy = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 5432}]}]});
        objects.push(with("NetworkPolicy", "out", policy, json!({})));
        let line = "wget: bad address 'store:5432'";
        let answer = Recorded::new(&objects).log("app", false, line).ask("web");
        assert!(
            answer.contains(
                "[network-policy] NetworkPolicy shop/out: it lets no DNS (port 53) of Pod shop/web out"
            ),
            "{answer}"
        );
        let answer = Recorded::new(&objects).ask("web");
        assert!(!answer.contains("DNS"), "{answer}");
    }

    #[test]
    fn dns_is_let_out_by_either_protocol() {
        for (ports, is_closed) in [
            (json!([{"port": 53, "protocol": "UDP"}]), false),
            (json!([{"port": 53, "protocol": "TCP"}]), false),
            (json!([{"port": 5432}]), true),
        ] {
            let mut objects = cluster(json!([{}]));
            let policy = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": ports}, {"ports": [{"port": 5432}]}]});
            objects.push(with("NetworkPolicy", "out", policy, json!({})));
            let answer =
                Recorded::new(&objects).log("app", false, "wget: bad address 'store:5432'").ask("web");
            assert_eq!(answer.contains("it lets no DNS (port 53)"), is_closed, "{ports}: {answer}");
        }
    }

    /// A Service of several ports: the address says which of them the caller asks for.
    #[test]
    fn only_the_port_that_a_caller_asks_for_is_looked_at() {
        let ingress = json!([{"from": [{"podSelector": {}}], "ports": [{"port": 9187}]}]);
        let blocked = |address: &str| {
            let mut objects = cluster(ingress.clone());
            objects[0]["spec"]["containers"][0]["env"][0]["value"] = address.into();
            objects[1]["spec"]["containers"][0]["ports"] =
                json!([{"containerPort": 5432, "name": "pg"}, {"containerPort": 9187, "name": "metrics"}]);
            objects[2]["spec"]["ports"] =
                json!([{"port": 5432, "targetPort": "pg"}, {"port": 80, "targetPort": 9187}]);
            Recorded::new(&objects)
        };
        blocked("store:5432").assert_found(&RULE, "at port 5432/TCP");
        blocked("store:80").assert_found(&RULE, "");
    }

    #[test]
    fn of_two_policies_each_that_keeps_traffic_off_its_service_is_named() {
        let mut objects = cluster(json!([]));
        let mut mail: Vec<Value> = cluster(json!([])).drain(1..).collect();
        for object in &mut mail {
            object["metadata"]["name"] = "mail".into();
        }
        mail[0]["metadata"]["labels"] = json!({"app": "mail"});
        mail[1]["spec"]["selector"] = json!({"app": "mail"});
        mail[2]["spec"]["podSelector"] = json!({"matchLabels": {"app": "mail"}});
        objects.extend(mail);
        let mut findings = Recorded::new(&objects).findings(&RULE);
        findings.sort();
        let expected = ["mail", "store"].map(|name| {
            format!("NetworkPolicy shop/{name}: it lets no traffic at all into the pods of Service {name}")
        });
        assert_eq!(findings, expected);
    }
}
