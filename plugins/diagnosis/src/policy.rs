//! The rules of NetworkPolicies: the traffic that they allow between two pods, as far as objects tell.

use serde_json::Value;

use crate::{
    Facts, Kind, Object, has_labels,
    object::{list, map, text},
};

/// Rules of a policy, and peers of a rule, that are named.
const RULES: usize = 3;

/// A direction of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Into a pod.
    Ingress,
    /// Out of a pod.
    Egress,
}

impl Direction {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ingress => ("Ingress", "/spec/ingress", "/from"),
            Self::Egress => ("Egress", "/spec/egress", "/to"),
        }
    }
}

/// A port of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port<'p> {
    pub protocol: &'p str,
    pub number: i64,
    /// Empty if it has none.
    pub name: &'p str,
}

/// The policies that restrict a pod in a direction.
pub(crate) fn policies<'f>(facts: &'f Facts, pod: &'f Object, direction: Direction) -> Vec<&'f Object> {
    let policies = facts.within(Kind::NetworkPolicy, pod.namespace());
    policies
        .filter(|policy| {
            let types = policy.list("/spec/policyTypes");
            // The API server fills policyTypes in; without it, a policy is one of ingress, and of egress if it has rules.
            let is_of = if types.is_empty() {
                direction == Direction::Ingress || !policy.list("/spec/egress").is_empty()
            } else {
                types.iter().filter_map(Value::as_str).any(|kind| kind == direction.words().0)
            };
            is_of && selects(policy.at("/spec/podSelector"), &pod.map("/metadata/labels"))
        })
        .collect()
}

/// True unless no rule of a policy lets `peer` through at `port`. What is not known counts as let through.
pub(crate) fn allows(
    facts: &Facts,
    policy: &Object,
    direction: Direction,
    peer: Option<&Object>,
    port: Port,
) -> bool {
    let (_, rules, peers) = direction.words();
    policy.list(rules).iter().any(|rule| {
        let of_peers = list(rule, peers);
        let is_peer = of_peers.is_empty()
            || peer.is_none_or(|peer| of_peers.iter().any(|wanted| fits(facts, policy, wanted, peer)));
        let ports = list(rule, "/ports");
        is_peer && (ports.is_empty() || ports.iter().any(|wanted| fits_port(wanted, port)))
    })
}

fn fits(facts: &Facts, policy: &Object, wanted: &Value, peer: &Object) -> bool {
    // Plugins differ in how a block of addresses meets a pod.
    if wanted.pointer("/ipBlock").is_some() {
        return true;
    }
    let is_namespace = match wanted.pointer("/namespaceSelector") {
        None => peer.namespace() == policy.namespace(),
        Some(selector) => {
            let namespace = crate::Reference::new(Kind::Namespace, "", peer.namespace());
            facts
                .get(&namespace)
                .is_none_or(|namespace| selects(Some(selector), &namespace.map("/metadata/labels")))
        }
    };
    is_namespace
        && wanted
            .pointer("/podSelector")
            .is_none_or(|selector| selects(Some(selector), &peer.map("/metadata/labels")))
}

fn fits_port(wanted: &Value, port: Port) -> bool {
    let protocol = match text(wanted, "/protocol") {
        "" => "TCP",
        protocol => protocol,
    };
    let is_number = match wanted.pointer("/port") {
        None => true,
        Some(Value::String(name)) => name == port.name,
        Some(number) => {
            let least = number.as_i64().unwrap_or_default();
            let most = wanted.pointer("/endPort").and_then(Value::as_i64).unwrap_or(least);
            (least..=most).contains(&port.number)
        }
    };
    protocol == port.protocol && is_number
}

/// True if a LabelSelector selects labels. An empty one selects all.
pub(crate) fn selects(selector: Option<&Value>, labels: &[(&str, &str)]) -> bool {
    let Some(selector) = selector else { return true };
    let value = |key: &str| labels.iter().find(|(other, _)| *other == key).map(|(_, value)| *value);
    has_labels(labels, &map(selector.pointer("/matchLabels")))
        && list(selector, "/matchExpressions").iter().all(|expression| {
            let value = value(text(expression, "/key"));
            let is_listed = || {
                let values = list(expression, "/values");
                value.is_some_and(|value| values.iter().any(|other| other.as_str() == Some(value)))
            };
            match text(expression, "/operator") {
                "In" => is_listed(),
                "NotIn" => !is_listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => true,
            }
        })
}

/// The rules of a policy in a few words: `lets in only: pods with tier=backend at 5432`.
pub(crate) fn described(policy: &Object, direction: Direction) -> String {
    let (_, field, peers) = direction.words();
    let word = if direction == Direction::Ingress { "lets in" } else { "lets out" };
    let rule = |rule: &Value| {
        let who: Vec<String> = list(rule, peers).iter().take(RULES).map(described_peer).collect();
        let who = if who.is_empty() { "all".to_owned() } else { who.join(" or ") };
        let ports = list(rule, "/ports").iter().filter_map(|port| port.pointer("/port"));
        let ports: Vec<String> =
            ports.map(|port| port.as_str().map_or(port.to_string(), str::to_owned)).collect();
        if ports.is_empty() { who } else { format!("{who} at {}", ports.join(", ")) }
    };
    let rules: Vec<String> = policy.list(field).iter().take(RULES).map(rule).collect();
    if rules.is_empty() { format!("{word} nothing") } else { format!("{word} only: {}", rules.join("; ")) }
}

fn described_peer(peer: &Value) -> String {
    let pods = peer.pointer("/podSelector").map(|selector| format!("pods with {}", labels(selector)));
    let namespaces = peer.pointer("/namespaceSelector");
    let namespaces = namespaces.map(|selector| format!("namespaces with {}", labels(selector)));
    let block = peer.pointer("/ipBlock").map(|block| text(block, "/cidr").to_owned());
    [pods, namespaces, block].into_iter().flatten().collect::<Vec<_>>().join(" of ")
}

fn labels(selector: &Value) -> String {
    let labels = map(selector.pointer("/matchLabels"));
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    match (labels.join(","), list(selector, "/matchExpressions").is_empty()) {
        (labels, true) if labels.is_empty() => "any labels".to_owned(),
        (labels, true) => labels,
        (labels, false) => format!("{labels} and expressions"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Direction, policies, selects};
    use crate::{
        Kind, Object,
        recorded::{Recorded, running, with},
    };

    #[test]
    fn a_policy_restricts_the_pods_that_it_selects_in_its_directions() {
        let mut pod = running("web");
        pod["metadata"]["labels"] = json!({"app": "web"});
        let other = json!({"matchLabels": {"app": "db"}});
        for (direction, spec, expected) in [
            (Direction::Ingress, json!({"policyTypes": ["Ingress"], "podSelector": {}}), true),
            (Direction::Egress, json!({"policyTypes": ["Ingress"], "podSelector": {}}), false),
            (Direction::Ingress, json!({"policyTypes": ["Ingress"], "podSelector": other}), false),
            (Direction::Ingress, json!({"podSelector": {}}), true),
            (Direction::Egress, json!({"podSelector": {}}), false),
            (Direction::Egress, json!({"podSelector": {}, "egress": [{}]}), true),
        ] {
            let facts = Recorded::new(&[with("NetworkPolicy", "p", spec.clone(), json!({}))]).facts();
            let pod = Object::new(Kind::Pod, pod.clone());
            assert_eq!(!policies(&facts, &pod, direction).is_empty(), expected, "{spec}");
        }
    }

    #[test]
    fn an_expression_of_a_selector_holds_as_the_api_has_it() {
        let labels = [("app", "web")];
        for (key, operator, values, expected) in [
            ("app", "In", json!(["db", "web"]), true),
            ("app", "In", json!(["db"]), false),
            ("tier", "In", json!(["web"]), false),
            ("app", "NotIn", json!(["db"]), true),
            ("app", "NotIn", json!(["web"]), false),
            ("tier", "NotIn", json!(["web"]), true),
            ("app", "Exists", Value::Null, true),
            ("tier", "Exists", Value::Null, false),
            ("app", "DoesNotExist", Value::Null, false),
            ("tier", "DoesNotExist", Value::Null, true),
        ] {
            let selector =
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
            assert_eq!(selects(Some(&selector), &labels), expected, "{selector}");
        }
    }
}
