//! A pod's nodeSelector and required node affinity, and the labels of nodes.

use serde_json::Value;

use super::names;
use crate::{
    Facts, Kind, Object,
    object::{list, text},
    selectors,
};

const TERMS: &str =
    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

/// True if the labels and the name of a node satisfy a pod.
pub fn fits(pod: &Object, node: &Object) -> bool {
    let labels = node.map("/metadata/labels");
    let terms = pod.list(TERMS);
    pod.map("/spec/nodeSelector").iter().all(|label| labels.contains(label))
        && (terms.is_empty() || terms.iter().any(|term| unmet(term, node).next().is_none()))
}

/// The expressions of a term that a node does not satisfy.
fn unmet<'p>(term: &'p Value, node: &Object) -> impl Iterator<Item = &'p Value> {
    let fields = list(term, "/matchFields").iter();
    // The one field of nodes that affinity knows is metadata.name.
    let fields = fields.filter(|field| !selectors::holds(&[("metadata.name", node.name())], field));
    let labels = list(term, "/matchExpressions").iter();
    let labels = labels.filter(|expression| !selectors::holds(&node.map("/metadata/labels"), expression));
    fields.chain(labels).collect::<Vec<_>>().into_iter()
}

/// True if a pod is bound to nodes by name, as those of DaemonSets are.
pub fn is_for_one_node(pod: &Object) -> bool {
    let terms = pod.list(TERMS);
    !terms.is_empty() && terms.iter().all(|term| !list(term, "/matchFields").is_empty())
}

/// The labels that no node has, in a sentence, and what the nodes have instead. Only if all nodes are known.
pub fn explain(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let nodes: Vec<&Object> = facts.all(Kind::Node).collect();
    let fitting: Vec<&str> = nodes.iter().filter(|node| fits(pod, node)).map(|node| node.name()).collect();
    if !fitting.is_empty() {
        let fact = format!("the labels that it asks for are on {} only", names(&fitting));
        return ("its node selector or affinity excludes other nodes".to_owned(), vec![fact]);
    }
    let selector = pod.map("/spec/nodeSelector");
    let missing: Vec<&(&str, &str)> = selector
        .iter()
        .filter(|label| !nodes.iter().any(|node| node.map("/metadata/labels").contains(label)))
        .collect();
    if let Some((key, value)) = missing.first() {
        let summary = format!("no node has the label {key}={value} of its nodeSelector");
        return (summary, missing.iter().map(|(key, value)| values(&nodes, key, value)).collect());
    }
    let terms = pod.list(TERMS);
    if terms.is_empty() {
        let wanted: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let summary =
            format!("no node has all the labels of its nodeSelector together: {}", wanted.join(", "));
        return (summary, Vec::new());
    }
    of_terms(&nodes, terms)
}

/// An expression that fails on every node, of the only term or of the first one.
fn of_terms(nodes: &[&Object], terms: &[Value]) -> (String, Vec<String>) {
    let mut wanted = Vec::new();
    let mut facts = Vec::new();
    for term in terms {
        let all = list(term, "/matchExpressions").iter().chain(list(term, "/matchFields"));
        let all: Vec<&Value> = all.collect();
        let never: Vec<&Value> = all
            .iter()
            .copied()
            .filter(|expression| {
                nodes.iter().all(|node| unmet(term, node).any(|unmet| std::ptr::eq(unmet, *expression)))
            })
            .collect();
        let shown = if never.is_empty() { &all } else { &never };
        let shown: Vec<String> = shown.iter().map(|expression| selectors::show(expression)).collect();
        wanted.push(shown.join(" and "));
        facts.extend(never.iter().map(|expression| values(nodes, text(expression, "/key"), "")));
    }
    facts.dedup();
    (format!("no node satisfies its node affinity: {}", wanted.join(", or ")), facts)
}

/// The values of a label on the nodes, and a key or value that nearly fits.
fn values(nodes: &[&Object], key: &str, value: &str) -> String {
    if key == "metadata.name" {
        return format!("nodes: {}", names(&nodes.iter().map(|node| node.name()).collect::<Vec<_>>()));
    }
    let labels = || nodes.iter().flat_map(|node| node.map("/metadata/labels"));
    let sorted = |mut found: Vec<&str>| {
        found.sort_unstable();
        found.dedup();
        found.truncate(8);
        found.join(", ")
    };
    let found = sorted(labels().filter(|(other, _)| *other == key).map(|(_, value)| value).collect());
    if !found.is_empty() {
        return format!("values of {key} on the nodes: {found}");
    }
    // The same value below another key is what a typo in the key looks like.
    let is_near = |other: &str, own: &str| {
        (own == value && !matches!(own, "" | "true" | "false" | "linux"))
            || other.rsplit('/').next() == key.rsplit('/').next()
    };
    let near = labels().filter(|(other, own)| is_near(other, own)).map(|(other, _)| other).collect();
    match sorted(near) {
        near if near.is_empty() => format!("no node has a label {key}"),
        near => format!("no node has a label {key}; nodes have {near}"),
    }
}
