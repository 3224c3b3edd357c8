//! An Ingress that no controller takes up: its class does not exist, or it has none and there is no default.
//!
//! Evidence: the whole list of IngressClasses, and no address in the status of the Ingress.
//! Not to be taken for: the old annotation, which needs no IngressClass; an Ingress that has an address; a default class.
//! Source: kubernetes.io/docs/concepts/services-networking/ingress (Ingress class).

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, Presence};

pub(super) const RULE: Rule = Rule { id: "ingress-class", find };

/// The annotation that named a class before there were IngressClasses.
const ANNOTATION: &str = "kubernetes.io/ingress.class";
/// The annotation of the class that Ingresses without one get.
const DEFAULT: (&str, &str) = ("ingressclass.kubernetes.io/is-default-class", "true");

fn find(facts: &Facts) -> Vec<Finding> {
    let is_served = |ingress: &&Object| !ingress.list("/status/loadBalancer/ingress").is_empty();
    facts
        .all(Kind::Ingress)
        .filter(|ingress| !is_served(ingress))
        .filter_map(|ingress| of(facts, ingress))
        .collect()
}

fn of(facts: &Facts, ingress: &Object) -> Option<Finding> {
    let class = ingress.text("/spec/ingressClassName");
    let has_annotation = ingress.map("/metadata/annotations").iter().any(|(key, _)| *key == ANNOTATION);
    if has_annotation || !facts.is_listed(Kind::IngressClass, "") {
        return None;
    }
    let (summary, certainty) = if class.is_empty() {
        if facts.all(Kind::IngressClass).any(|class| class.map("/metadata/annotations").contains(&DEFAULT)) {
            return None;
        }
        // Some controllers take an Ingress without a class.
        ("it names no IngressClass, and no class is the default".to_owned(), Certainty::Likely)
    } else {
        match facts.find(Kind::IngressClass, "", class) {
            Presence::Absent => (format!("its IngressClass {class} does not exist"), Certainty::Certain),
            Presence::Found(_) | Presence::Unknown => return None,
        }
    };
    let hosts = crate::subject::hosts(ingress).into_iter().take(3).collect::<Vec<_>>().join(", ");
    Some(
        Finding::new(RULE.id, ingress.reference(), summary)
            .with(Evidence::fact(classes(facts), "list of IngressClasses"))
            .with(Evidence::fact(
                format!("it has no address; hosts: {}", if hosts.is_empty() { "any" } else { &hosts }),
                format!("status of {}", ingress.reference()),
            ))
            .certainty(certainty)
            .next("set ingressClassName to a class that exists, or install the controller of the class"),
    )
}

fn classes(facts: &Facts) -> String {
    let name = |class: &Object| {
        let default = if class.map("/metadata/annotations").contains(&DEFAULT) { " (default)" } else { "" };
        format!("{}{default}", class.name())
    };
    let names: Vec<String> = facts.all(Kind::IngressClass).map(name).take(8).collect();
    if names.is_empty() {
        "there is no IngressClass at all".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, object, with},
    };

    fn ingress(class: Value) -> Value {
        let spec = json!({"ingressClassName": class, "rules": [{"host": "shop.example.com", "http": {"paths": []}}]});
        with("Ingress", "front", spec, json!({"loadBalancer": {}}))
    }

    #[test]
    fn a_class_that_does_not_exist_is_named_with_those_that_do() {
        let answer = Recorded::new(&[ingress(json!("ngnix")), object("IngressClass", "nginx")])
            .ask("shop.example.com");
        assert!(
            answer.contains(
                "cause 1 (certain) [ingress-class] Ingress shop/front: its IngressClass ngnix does not exist"
            ),
            "{answer}"
        );
        assert!(answer.contains("there are: nginx"), "{answer}");
        let answer =
            Recorded::new(&[ingress(Value::Null)]).ask_for("https://shop.example.com/cart?x=1", "", "");
        assert!(
            answer.contains("cause 1 (likely) [ingress-class] Ingress shop/front: it names no IngressClass"),
            "{answer}"
        );
        assert!(answer.contains("there is no IngressClass at all"), "{answer}");
        let namespace = with("Namespace", "shop", json!({}), json!({"phase": "Active"}));
        let answer = Recorded::new(&[ingress(json!("ngnix")), namespace]).ask_for("", "shop", "");
        assert!(answer.contains("[ingress-class] Ingress shop/front"), "{answer}");
    }

    #[test]
    fn an_ingress_that_is_served_or_has_a_default_class_is_no_fault() {
        let mut default = object("IngressClass", "nginx");
        default["metadata"]["annotations"] = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
        let mut old = ingress(Value::Null);
        old["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "nginx"});
        let mut served = ingress(json!("gone"));
        served["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        for cluster in [
            Recorded::new(&[ingress(Value::Null), default]),
            Recorded::new(&[old]),
            Recorded::new(&[served]),
            Recorded::new(&[ingress(json!("x"))]).deny(Kind::IngressClass),
        ] {
            let answer = cluster.ask("front");
            assert!(!answer.contains("ingress-class"), "{answer}");
        }
    }
}
