//! Rules of the diagnosis without a fault on the node, and the reason.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::{cases::Case, faults::Fault};

/// Rules whose faults the one node of the tests cannot show, or not without harm to the others.
const NOT_SHOWN: [(&str, &str); 12] = [
    ("api-service-down", "an API that does not answer breaks discovery and the end of every namespace"),
    ("autoscaler-at-maximum", "needs metrics of pods"),
    ("cronjob-missed", "needs hours of runs that were missed"),
    ("ingress-tls", "only an ingress controller says so, in an event"),
    ("node-cordoned", "there is one node, which the others need"),
    ("node-not-ready", "there is one node, which the others need"),
    ("node-pressure", "there is one node, and its disk and memory are the machine's"),
    ("rollout-stuck", "said only if nothing says more of its pods: it never stands alone here"),
    ("sandbox-failed", "a network plugin that fails would fail for all pods of the node"),
    ("service-unready", "said only if nothing says more of its pods: it never stands alone here"),
    ("statefulset-order", "said only if nothing says more of its pods: it never stands alone here"),
    ("volume-attach", "needs a CSI driver that attaches, and a second node"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Ids of the rules, as they stand in the sources: the tools' workspace is another one.
fn rules() -> BTreeSet<String> {
    let id = Regex::new(r#"Rule \{ id: "([a-z-]+)""#).unwrap();
    let files = std::fs::read_dir(root().join("plugins/diagnosis/src/rules")).unwrap();
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let texts: Vec<String> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let ids = texts.iter().flat_map(|text| id.captures_iter(text).map(|found| found[1].to_owned()));
    ids.collect()
}

#[test]
fn every_rule_has_a_fault_on_the_node_or_a_reason() {
    let rules = rules();
    assert!(rules.len() > 50, "{rules:?}");
    let faults = Fault::read(&root().join("tests/faults")).unwrap();
    let cases = Case::read(&root()).unwrap();
    let shown: BTreeSet<&str> = faults
        .iter()
        .flat_map(|fault| &fault.causes)
        .chain(cases.iter().flat_map(Case::causes))
        .map(String::as_str)
        .collect();
    let excused: BTreeSet<&str> = NOT_SHOWN.iter().map(|(rule, _)| *rule).collect();
    let unknown: Vec<&&str> = shown.union(&excused).filter(|rule| !rules.contains(**rule)).collect();
    assert!(unknown.is_empty(), "no rules: {unknown:?}");
    let left: Vec<&String> = rules
        .iter()
        .filter(|rule| !shown.contains(rule.as_str()) && !excused.contains(rule.as_str()))
        .collect();
    assert!(left.is_empty(), "neither a fault nor a reason: {left:?}");
    let both: Vec<&&str> = shown.intersection(&excused).collect();
    assert!(both.is_empty(), "a fault and a reason: {both:?}");
}

#[test]
fn what_looks_like_a_fault_has_no_cause() {
    let healthy = Fault::read(&root().join("tests/faults/healthy")).unwrap();
    assert!(healthy.len() > 10 && healthy.iter().all(|fault| fault.causes.is_empty()));
}
