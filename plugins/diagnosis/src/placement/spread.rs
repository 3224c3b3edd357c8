//! Rules of a pod about other pods: affinity, anti-affinity, spread, host ports.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{candidates, names};
use crate::{
    Facts, Kind, Object, needs,
    object::{list, text},
    selectors,
};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

fn terms<'p>(pod: &'p Object, field: &str) -> &'p [Value] {
    pod.list(&format!("/spec/affinity/{field}/{REQUIRED}"))
}

/// The anti-affinity of a pod to those of its own workload: more replicas than places.
pub fn anti_affinity(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let labels = pod.map("/metadata/labels");
    let is_own =
        |term: &&Value| term.pointer("/labelSelector").is_some_and(|own| selectors::selects(own, &labels));
    let terms = terms(pod, "podAntiAffinity");
    let Some(term) = terms.iter().find(is_own).or(terms.first()) else {
        return ("the anti-affinity of pods that run keeps it off".to_owned(), Vec::new());
    };
    let key = text(term, "/topologyKey");
    let usable = candidates(facts, pod);
    let places: BTreeSet<&str> = usable.iter().filter_map(|node| label(node, key)).collect();
    let place = if key == "kubernetes.io/hostname" { "node" } else { key };
    let workload = facts.root(pod);
    let wanted = workload.number("/spec/replicas").filter(|_| workload.kind() != Kind::Pod && is_own(&term));
    let is_live = |pod: &&&Object| pod.deleted().is_none() && pod.text("/status/phase") != "Failed";
    let pods = facts.pods_of(workload).iter().filter(is_live).count();
    let fact = format!("anti-affinity over {key}: {} usable by labels and taints", places.len());
    let summary = match wanted {
        Some(wanted)
            if super::are_nodes_known(facts)
                && usize::try_from(wanted).is_ok_and(|wanted| wanted > places.len()) =>
        {
            format!(
                "its required anti-affinity allows one replica for each {place}: {wanted} replicas, but only {} it may use",
                places.len()
            )
        }
        // A rolling update makes the new pod before it ends an old one.
        Some(wanted)
            if workload.kind() == Kind::Deployment
                && usize::try_from(wanted).is_ok_and(|wanted| wanted < pods) =>
        {
            format!(
                "its required anti-affinity allows one replica for each {place}, and the additional pod of the rolling update finds none: maxSurge 0 would end an old one first"
            )
        }
        _ => format!("its required anti-affinity leaves no {place}: pods that it avoids are on each"),
    };
    // None would be usable, if none may be read.
    let facts = if super::are_nodes_known(facts) { vec![fact] } else { Vec::new() };
    (summary, facts)
}

fn label<'n>(node: &'n Object, key: &str) -> Option<&'n str> {
    let labels = node.map("/metadata/labels");
    let found = labels.into_iter().find(|(other, _)| *other == key).map(|(_, value)| value);
    // Kubelets label their node with its name; one without the label is still a place.
    found.or((key == "kubernetes.io/hostname").then(|| node.name()))
}

/// The required affinity of a pod to pods that are not there.
pub fn affinity(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let missing = terms(pod, "podAffinity").iter().find(|term| {
        let is_here = list(term, "/namespaces").is_empty() && term.pointer("/namespaceSelector").is_none();
        let runs = |other: &&Object| {
            !other.text("/spec/nodeName").is_empty()
                && term
                    .pointer("/labelSelector")
                    .is_some_and(|selector| selectors::selects(selector, &other.map("/metadata/labels")))
        };
        is_here
            && facts.is_listed(Kind::Pod, pod.namespace())
            && !facts.within(Kind::Pod, pod.namespace()).any(|other| runs(&other))
    });
    match missing {
        Some(term) => {
            let selector = term.pointer("/labelSelector").unwrap_or(&Value::Null);
            (
                format!(
                    "its required pod affinity wants pods with {}, and none runs in its namespace",
                    shown(selector)
                ),
                Vec::new(),
            )
        }
        None => ("its required pod affinity leaves no node".to_owned(), Vec::new()),
    }
}

fn shown(selector: &Value) -> String {
    let labels = crate::object::map(selector.pointer("/matchLabels")).into_iter();
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    let expressions = list(selector, "/matchExpressions").iter().map(selectors::show);
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

/// True if a node has the labels that hard topology spread constraints of a pod count by.
pub fn fits(pod: &Object, node: &Object) -> bool {
    let hard = pod.list("/spec/topologySpreadConstraints").iter();
    let mut hard = hard.filter(|constraint| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway");
    hard.all(|constraint| label(node, text(constraint, "/topologyKey")).is_some())
}

/// The topology spread constraints of a pod that may keep it waiting.
pub fn spread(facts: &Facts, pod: &Object, reason: &str) -> (String, Vec<String>) {
    let hard = pod.list("/spec/topologySpreadConstraints").iter();
    let hard = hard.filter(|constraint| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway");
    let keys: Vec<&str> = hard.clone().map(|constraint| text(constraint, "/topologyKey")).collect();
    let missing = keys.iter().find(|key| facts.all(Kind::Node).all(|node| label(node, key).is_none()));
    if let Some(key) =
        missing.filter(|_| super::are_nodes_known(facts) || reason.contains("missing required label"))
    {
        return (format!("no node has the label {key} of its topology spread constraints"), Vec::new());
    }
    let constraints = hard.map(|constraint| {
        let skew = constraint.pointer("/maxSkew").and_then(Value::as_i64).unwrap_or(1);
        let key = text(constraint, "/topologyKey");
        let values: BTreeSet<&str> = facts.all(Kind::Node).filter_map(|node| label(node, key)).collect();
        let values: Vec<&str> = values.into_iter().collect();
        format!("maxSkew {skew} over {key}: {}", names(&values))
    });
    (format!("its topology spread constraints over {} leave no node", keys.join(", ")), constraints.collect())
}

/// The host ports of a pod.
pub fn ports(pod: &Object) -> (String, Vec<String>) {
    let spec = pod.at("/spec").unwrap_or(&Value::Null);
    let ports = needs::containers(spec).flat_map(|container| list(container, "/ports"));
    let ports = ports.filter_map(|port| port.pointer("/hostPort").and_then(Value::as_i64));
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    (format!("its host port {} is taken on every node that it may use", ports.join(", ")), Vec::new())
}
