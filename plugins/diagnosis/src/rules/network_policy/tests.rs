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
    let answer =
        Recorded::new(&closed).log("app", false, "error: connect to store: connection timed out").ask("web");
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
    let answer =
        Recorded::new(&closed).log("app", false, "error: connect to store: connection timed out").ask("web");
    assert!(
        answer.contains(
            "cause 1 (likely) [network-policy] NetworkPolicy shop/store: it lets no traffic of Pod shop/web"
        ),
        "{answer}"
    );
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
        let answer = Recorded::new(&objects).log("app", false, "wget: bad address 'store:5432'").ask("web");
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
