//! A Service that sends to a port that its pods do not have, or that others ask for a port that it does not have.
//!
//! Evidence: a named `targetPort` that no container declares (certain: there is no endpoint); a number that none declares
//! (a hint, since containers need not declare ports); a `host:port` in a workload's environment or arguments.
//! Not to be taken for: a headless Service, whose pods are asked directly; containers that declare no port at all.
//! Source: kubernetes/pkg/api/v1/pod/util.go (FindPort), staging/src/k8s.io/endpointslice.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, called, health, needs,
    object::{list, text},
    selected,
};

pub(super) const RULE: Rule = Rule { id: "service-port", find };

/// Ports that are named.
const PORTS: usize = 8;

fn find(facts: &Facts) -> Vec<Finding> {
    let services = facts.all(Kind::Service).filter(|service| service.text("/spec/type") != "ExternalName");
    let mut findings: Vec<Finding> = services.flat_map(|service| of_service(facts, service)).collect();
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::CronJob, Kind::Job, Kind::Pod];
    let callers =
        kinds.into_iter().flat_map(|kind| facts.all(kind)).filter(|caller| caller.owner().is_none());
    findings.extend(callers.flat_map(|caller| of_caller(facts, caller)));
    findings
}

fn of_service(facts: &Facts, service: &Object) -> Vec<Finding> {
    let pods: Vec<&Object> = selected(facts, service).collect();
    // The pods of a headless Service are asked directly, at any port.
    if pods.is_empty() || service.text("/spec/clusterIP") == "None" {
        return Vec::new();
    }
    let containers = || pods.iter().filter_map(|pod| pod.at("/spec")).flat_map(needs::containers);
    let declared: BTreeSet<(i64, &str)> = containers().flat_map(health::ports).collect();
    // A port that a probe asks, or that the environment sets, is one that they listen on.
    let listened: BTreeSet<i64> =
        containers().flat_map(listened).chain(declared.iter().map(|(number, _)| *number)).collect();
    let has_number = |port: &Value| target(port).is_ok_and(|number| listened.contains(&number));
    let ports = service.list("/spec/ports");
    let is_any_right = ports.iter().any(has_number);
    let of_port = |port: &Value| {
        let number = port.pointer("/port").and_then(Value::as_i64).unwrap_or_default();
        let (summary, certainty) = match target(port) {
            Err(name) if declared.iter().any(|(_, other)| *other == name) => return None,
            Err(name) => {
                let fault = "which no container of its pods has, so that port has no endpoint";
                (format!("its port {number} goes to the port named {name}, {fault}"), Certainty::Certain)
            }
            Ok(_) if listened.is_empty() || has_number(port) => return None,
            Ok(target) => (
                format!("its port {number} goes to port {target}, which no container of its pods declares"),
                // Ports that are only for metrics often stay undeclared.
                if is_any_right { Certainty::Guess } else { Certainty::Likely },
            ),
        };
        let mut finding = Finding::new(RULE.id, service.reference(), summary)
            .with(Evidence::fact(shown_ports(&declared, &listened), "spec of its pods"))
            .certainty(certainty)
            .next("correct targetPort of the Service, or the port of the container");
        if certainty != Certainty::Certain {
            let hint = "a container may listen on a port that it does not declare";
            finding = finding.with(Evidence::fact(hint, "a hint only"));
        }
        Some(finding)
    };
    ports.iter().filter_map(of_port).collect()
}

fn shown_ports(declared: &BTreeSet<(i64, &str)>, listened: &BTreeSet<i64>) -> String {
    let shown = |(number, name): &(i64, &str)| match *name {
        "" => number.to_string(),
        name => format!("{number} ({name})"),
    };
    let names: Vec<String> = declared.iter().take(PORTS).map(shown).collect();
    let others = listened.iter().filter(|number| !declared.iter().any(|(other, _)| other == *number));
    let others: Vec<String> = others.take(PORTS).map(i64::to_string).collect();
    let mut text = match names.as_slice() {
        [] => "the containers of its pods declare no port".to_owned(),
        names => format!("the containers of its pods declare {}", names.join(", ")),
    };
    if !others.is_empty() {
        text = format!("{text}; their probes or environment have {}", others.join(", "));
    }
    text
}

/// Numbers of ports in the probes of a container, and in its variable `PORT` and the like.
fn listened(container: &Value) -> Vec<i64> {
    let probes = ["/livenessProbe", "/readinessProbe", "/startupProbe"];
    let actions = ["/httpGet/port", "/tcpSocket/port", "/grpc/port"];
    let probes = probes.iter().filter_map(|probe| container.pointer(probe));
    let probes = probes.flat_map(|probe| actions.iter().filter_map(|action| probe.pointer(action)?.as_i64()));
    let variables = list(container, "/env").iter().filter(|env| {
        ["PORT", "HTTP_PORT", "SERVER_PORT", "LISTEN_PORT", "APP_PORT"].contains(&text(env, "/name"))
    });
    let variables = variables.filter_map(|env| text(env, "/value").trim_start_matches(':').parse().ok());
    probes.chain(variables).collect()
}

/// The number, or else the name, of the pods' port.
fn target(port: &Value) -> Result<i64, &str> {
    match port.pointer("/targetPort") {
        Some(Value::String(name)) => name.parse().map_err(|_| name.as_str()),
        Some(number) if number.as_i64().is_some_and(|number| number != 0) => {
            Ok(number.as_i64().unwrap_or_default())
        }
        _ => Ok(port.pointer("/port").and_then(Value::as_i64).unwrap_or_default()),
    }
}

fn of_caller(facts: &Facts, caller: &Object) -> Vec<Finding> {
    let Some(spec) = needs::pod_spec(caller) else { return Vec::new() };
    let addresses = needs::addresses(spec);
    let services = called(facts, caller).into_iter().filter_map(|reference| facts.get(&reference));
    // The pods of a headless Service are asked directly.
    let services = services.filter(|service| {
        service.text("/spec/clusterIP") != "None" && service.text("/spec/type") != "ExternalName"
    });
    let of_service = |service: &Object| {
        let ports = service.list("/spec/ports").iter();
        let ports: BTreeSet<i64> = ports.filter_map(|port| port.pointer("/port")?.as_i64()).collect();
        let is_of = |host: &str| {
            let mut labels = host.split('.');
            labels.next() == Some(service.name())
                && labels.next().unwrap_or(caller.namespace()) == service.namespace()
        };
        let asked: BTreeSet<i64> =
            addresses.iter().filter(|(host, _)| is_of(host)).map(|(_, port)| *port).collect();
        // Of several addresses, the others may be of another program.
        if asked.iter().any(|port| ports.contains(port)) || ports.is_empty() {
            return Vec::new();
        }
        let there: Vec<String> = ports.iter().take(PORTS).map(i64::to_string).collect();
        let there = there.join(", ");
        let finding = |port: &i64| {
            let name = service.name();
            let summary = format!("it asks the Service {name} for port {port}, which has only {there}");
            Finding::new(RULE.id, caller.reference(), summary)
                .with(Evidence::fact(format!("ports of {}: {there}", service.reference()), "spec.ports"))
                .with(Evidence::fact(format!("{name}:{port}"), "environment or arguments of the containers"))
                .certainty(Certainty::Likely)
                .next("correct the address, or give the Service that port")
        };
        asked.iter().take(PORTS).map(finding).collect()
    };
    services.flat_map(of_service).collect()
}

/// The name of a Service's port, for a sentence: `80 (http)`.
pub(super) fn shown(port: &Value) -> String {
    let number = port.pointer("/port").and_then(Value::as_i64).unwrap_or_default();
    match text(port, "/name") {
        "" => number.to_string(),
        name => format!("{number} ({name})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, running, with},
    };

    fn cluster(target: Value, declared: Value) -> Vec<Value> {
        let mut pod = running("api-1");
        pod["metadata"]["labels"] = json!({"app": "api"});
        pod["spec"]["containers"][0]["ports"] = declared;
        let service = with(
            "Service",
            "api",
            json!({"clusterIP": "10.0.0.9", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": target}]}),
            json!({}),
        );
        vec![pod, service]
    }

    #[test]
    fn a_named_port_that_no_container_has_is_certain_and_a_number_a_hint() {
        let declared = json!([{"containerPort": 8080, "name": "http"}]);
        let cluster_of = |target: Value| Recorded::new(&cluster(target, declared.clone()));
        let answer = cluster_of(json!("http-web")).ask("api");
        assert!(answer.contains("cause 1 (certain) [service-port] Service shop/api: its port 80 goes to the port named http-web"), "{answer}");
        assert!(answer.contains("declare 8080 (http)"), "{answer}");
        let answer = cluster_of(json!(9090)).ask("api");
        assert!(
            answer
                .contains("cause 1 (likely) [service-port] Service shop/api: its port 80 goes to port 9090"),
            "{answer}"
        );
        let answer = cluster_of(json!("http-web")).deny(Kind::Pod).ask("api");
        assert!(!answer.contains("service-port"), "{answer}");
    }

    #[test]
    fn a_port_that_fits_or_that_nothing_is_known_of_is_no_fault() {
        for (target, declared) in [
            (json!("http"), json!([{"containerPort": 8080, "name": "http"}])),
            (json!(8080), json!([{"containerPort": 8080}])),
            (json!(9090), json!([])),
            (Value::Null, json!([{"containerPort": 80}])),
        ] {
            let answer = Recorded::new(&cluster(target, declared)).ask("api");
            assert!(answer.contains("no fault found"), "{answer}");
        }
        let mut headless = cluster(json!("gone"), json!([{"containerPort": 80, "name": "http"}]));
        if let Some(service) = headless.last_mut() {
            service["spec"]["clusterIP"] = "None".into();
        }
        let answer = Recorded::new(&headless).ask("api");
        assert!(answer.contains("no fault found"), "{answer}");
    }

    #[test]
    fn a_port_that_a_probe_asks_or_the_environment_sets_counts_as_one_of_the_container() {
        let with = |field: &str, value: Value, target: i64| {
            let mut objects = cluster(json!(target), json!([]));
            objects[0]["spec"]["containers"][0][field] = value;
            Recorded::new(&objects).ask("api")
        };
        let probe = json!({"httpGet": {"path": "/", "port": 8080}});
        let answer = with("readinessProbe", probe.clone(), 9090);
        assert!(
            answer.contains("port 9090") && answer.contains("their probes or environment have 8080"),
            "{answer}"
        );
        assert!(!with("readinessProbe", probe, 8080).contains("service-port"));
        assert!(!with("env", json!([{"name": "PORT", "value": "8080"}]), 8080).contains("service-port"));
    }

    #[test]
    fn a_caller_that_asks_for_another_port_is_named() {
        for (address, is_wrong) in [
            ("http://api:8080/v1", true),
            ("api.shop.svc.cluster.local:8080", true),
            ("http://api:80", false),
            ("http://api", false),
        ] {
            let mut objects = cluster(json!(80), json!([{"containerPort": 80}]));
            let mut client = running("client");
            client["spec"]["containers"][0]["env"] = json!([{"name": "API", "value": address}]);
            objects.push(client);
            let answer = Recorded::new(&objects).ask("client");
            assert_eq!(
                answer.contains(
                    "[service-port] Pod shop/client: it asks the Service api for port 8080, which has only 80"
                ),
                is_wrong,
                "{address}: {answer}"
            );
        }
    }

    #[test]
    fn an_address_is_of_a_service_by_its_name_and_namespace() {
        for (address, words) in [
            ("http://api:8080", "Pod shop/client: it asks the Service api for port 8080, which has only 80"),
            (
                "http://api.shop:8080",
                "Pod shop/client: it asks the Service api for port 8080, which has only 80",
            ),
            ("http://api.other:8080", ""),
            ("http://mail.shop:8080", ""),
        ] {
            let mut objects = cluster(json!(80), json!([{"containerPort": 80}]));
            let mut client = running("client");
            client["spec"]["containers"][0]["env"] =
                json!([{"name": "API", "value": address}, {"name": "HOST", "value": "api"}]);
            objects.push(client);
            // The Service is called by both variables.
            let findings = Recorded::new(&objects).findings(&RULE);
            assert!(findings.iter().all(|finding| finding == words), "{address}: {findings:?}");
            assert_eq!(findings.is_empty(), words.is_empty(), "{address}");
        }
    }

    #[test]
    fn ports_are_shown_with_their_names_and_once() {
        let mut objects =
            cluster(json!(9090), json!([{"containerPort": 80}, {"containerPort": 81, "name": "web"}]));
        objects[0]["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 80}});
        let answer = Recorded::new(&objects).ask("api");
        assert!(answer.contains("the containers of its pods declare 80, 81 (web) ["), "{answer}");
        assert_eq!(super::shown(&json!({"port": 80, "name": "http"})), "80 (http)");
        assert_eq!(super::shown(&json!({"port": 80})), "80");
    }

    #[test]
    fn ports_of_probes_are_shown_beside_those_that_are_declared() {
        let mut objects = cluster(json!(9090), json!([{"containerPort": 80}]));
        objects[0]["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 8080}});
        let answer = Recorded::new(&objects).ask("api");
        assert!(answer.contains("declare 80; their probes or environment have 8080 ["), "{answer}");
    }
}
