//! An Ingress whose backend does not exist: no such Service, or no such port of it.
//!
//! Evidence: the join of its rules with the Services of the namespace.
//! Not to be taken for: a backend that is no Service; a Service that may not be read; a Service whose pods are not ready,
//! which has findings of its own.
//! Source: kubernetes/pkg/apis/networking; ingress-nginx also takes a target port for a port.

use serde_json::Value;

use super::{Rule, service_port::shown};
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence,
    object::{list, text},
};

pub(super) const RULE: Rule = Rule { id: "ingress-backend", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::Ingress).flat_map(|ingress| of(facts, ingress)).collect()
}

fn of(facts: &Facts, ingress: &Object) -> Vec<Finding> {
    let default =
        ingress.at("/spec/defaultBackend/service").map(|service| ("the default backend".to_owned(), service));
    let rules = ingress.list("/spec/rules").iter().flat_map(|rule| {
        let host = match text(rule, "/host") {
            "" => "any host",
            host => host,
        };
        list(rule, "/http/paths").iter().filter_map(move |path| {
            Some((format!("path {} of {host}", text(path, "/path")), path.pointer("/backend/service")?))
        })
    });
    default
        .into_iter()
        .chain(rules)
        .filter_map(|(place, backend)| of_backend(facts, ingress, &place, backend))
        .collect()
}

fn of_backend(facts: &Facts, ingress: &Object, place: &str, backend: &Value) -> Option<Finding> {
    let name = text(backend, "/name");
    let finding = |summary: String| Finding::new(RULE.id, ingress.reference(), summary);
    match facts.find(Kind::Service, ingress.namespace(), name) {
        Presence::Unknown => None,
        Presence::Absent => {
            let names: Vec<&str> =
                facts.within(Kind::Service, ingress.namespace()).map(Object::name).take(8).collect();
            let there = if names.is_empty() {
                "there is no Service in the namespace".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            Some(
                finding(format!("its backend Service {name} does not exist"))
                    .with(Evidence::quote(format!("goes to Service {name}"), place, "spec.rules"))
                    .with(Evidence::fact(there, "list of Services"))
                    .next("correct the backend of the Ingress, or create the Service"),
            )
        }
        Presence::Found(service) => {
            let ports = service.list("/spec/ports");
            let (wanted, number) =
                (text(backend, "/port/name"), backend.pointer("/port/number").and_then(Value::as_i64));
            let is_named = |port: &Value| !wanted.is_empty() && text(port, "/name") == wanted;
            let is_numbered =
                |port: &Value| number.is_some() && port.pointer("/port").and_then(Value::as_i64) == number;
            if ports.is_empty() || ports.iter().any(|port| is_named(port) || is_numbered(port)) {
                return None;
            }
            let asked = number.map_or(wanted.to_owned(), |number| number.to_string());
            let is_target = ports.iter().any(|port| match port.pointer("/targetPort") {
                Some(Value::String(name)) => *name == asked,
                Some(target) => number.is_some() && target.as_i64() == number,
                None => false,
            });
            let there: Vec<String> = ports.iter().take(8).map(shown).collect();
            Some(
                finding(format!(
                    "it asks its backend Service {name} for port {asked}, which has only {}",
                    there.join(", ")
                ))
                .with(Evidence::quote(format!("goes to {name}:{asked}"), place, "spec.rules"))
                .with(Evidence::fact(
                    format!("ports: {}", there.join(", ")),
                    format!("spec of {}", service.reference()),
                ))
                .certainty(if is_target { Certainty::Likely } else { Certainty::Certain })
                .next("correct the port of the backend"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, object, running, with},
    };

    fn cluster(backend: Value) -> Vec<Value> {
        let rules = json!([{"host": "shop.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": backend}}]}}]);
        let mut pod = running("web-1");
        pod["metadata"]["labels"] = json!({"app": "web"});
        vec![
            with("Ingress", "front", json!({"ingressClassName": "nginx", "rules": rules}), json!({})),
            object("IngressClass", "nginx"),
            with(
                "Service",
                "web",
                json!({"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}),
                json!({}),
            ),
            pod,
        ]
    }

    #[test]
    fn what_the_backend_lacks_is_named() {
        for (backend, certainty, words) in [
            (
                json!({"name": "wbe", "port": {"number": 80}}),
                "certain",
                "its backend Service wbe does not exist",
            ),
            (
                json!({"name": "web", "port": {"number": 81}}),
                "certain",
                "for port 81, which has only 80 (http)",
            ),
            (
                json!({"name": "web", "port": {"name": "https"}}),
                "certain",
                "for port https, which has only 80 (http)",
            ),
            (
                json!({"name": "web", "port": {"number": 8080}}),
                "likely",
                "for port 8080, which has only 80 (http)",
            ),
        ] {
            for name in ["front", "shop.example.com"] {
                let answer = Recorded::new(&cluster(backend.clone())).ask(name);
                assert!(
                    answer.contains(&format!("cause 1 ({certainty}) [ingress-backend] Ingress shop/front"))
                        && answer.contains(words),
                    "{answer}"
                );
            }
        }
        let missing = json!({"name": "wbe", "port": {"number": 80}});
        let answer = Recorded::new(&cluster(missing)).deny(Kind::Service).ask("front");
        assert!(!answer.contains("ingress-backend"), "{answer}");
    }

    #[test]
    fn the_chain_goes_on_to_the_service() {
        let backend = json!({"name": "web", "port": {"name": "http"}});
        let answer = Recorded::new(&cluster(backend.clone())).ask("front");
        assert!(answer.contains("no fault found"), "{answer}");
        let mut objects = cluster(backend);
        objects[2]["spec"]["selector"] = json!({"app": "wbe"});
        let answer = Recorded::new(&objects).ask("shop.example.com");
        assert!(answer.contains("[service-selector] Service shop/web"), "{answer}");
    }
}
