//! The faults of the demo's shop (host/demo/README.md), and the shortest way to the cause of each.

use anyhow::Result;
use porthole_testbed::{cases::Call, verdict::Expectation};
use serde_json::{Value, json};

use super::Question;

/// Pods of a workload in a list, and their log, whole, as the popular server gives it.
fn log_of(workload: &str, namespace: &str, previous: bool) -> Vec<(&'static str, Value)> {
    let pod = json!({"re": format!(r"\b({workload}-[\w-]*)\s+\d+/\d+")});
    vec![
        ("pods_list_in_namespace", json!({"namespace": namespace})),
        ("pods_log", json!({"name": pod, "namespace": namespace, "previous": previous})),
    ]
}

/// A pod of a workload, whole.
fn pod_of(workload: &str, namespace: &str) -> Vec<(&'static str, Value)> {
    let pod = json!({"re": format!(r"\b({workload}-[\w-]*)\s+\d+/\d+")});
    vec![
        ("pods_list_in_namespace", json!({"namespace": namespace})),
        ("pods_get", json!({"name": pod, "namespace": namespace})),
    ]
}

fn object(version: &str, kind: &str, name: &str, namespace: &str) -> (&'static str, Value) {
    ("resources_get", json!({"apiVersion": version, "kind": kind, "name": name, "namespace": namespace}))
}

fn events(namespace: &str) -> (&'static str, Value) {
    ("events_list", json!({"namespace": namespace}))
}

pub(super) fn questions() -> Result<Vec<Question>> {
    let with = |mut calls: Vec<(&'static str, Value)>, more: Vec<(&'static str, Value)>| {
        calls.extend(more);
        calls
    };
    let services = ("resources_list", json!({"apiVersion": "v1", "kind": "Service", "namespace": "shop"}));
    let nodes = ("resources_list", json!({"apiVersion": "v1", "kind": "Node"}));
    let labelled = ("pods_list_in_namespace", json!({"namespace": "shop", "labelSelector": "app=checkout"}));
    vec![
        question(
            "cart",
            "shop",
            &["dns", "container-exits"],
            &["carts-db", "cart-db"],
            with(log_of("cart", "shop", true), vec![services]),
        ),
        question("search", "shop", &["out-of-memory"], &["OOMKilled", "128Mi"], pod_of("search", "shop")),
        question(
            "web",
            "shop",
            &["probe-unready", "log-trouble"],
            &["500", r"1\.9\.0"],
            with(pod_of("web", "shop"), vec![events("shop")]),
        ),
        question("catalog", "shop", &["probe-unready"], &["8081", "8080"], pod_of("catalog", "shop")),
        question(
            "checkout",
            "shop",
            &["service-selector"],
            &["version(=|: )v2", "version(=|: )v1"],
            vec![object("v1", "Service", "checkout", "shop"), labelled],
        ),
        question(
            "thumbnails",
            "shop",
            &["stuck-terminating", "node-pressure"],
            &["example.com/drain-queue"],
            pod_of("thumbnails", "shop"),
        ),
        question(
            "gateway",
            "payments",
            &["config-missing"],
            &["endpoint", "gateway-config"],
            pod_of("gateway", "payments"),
        ),
        question("receipts", "payments", &["image-pull"], &["2.4.0-rc9"], pod_of("receipts", "payments")),
        question(
            "ledger",
            "payments",
            &["unschedulable"],
            &["24Gi", "taint"],
            with(pod_of("ledger", "payments"), vec![nodes.clone()]),
        ),
        question(
            "ledger-archive",
            "payments",
            &["claim-class-missing"],
            &["class"],
            vec![object("v1", "PersistentVolumeClaim", "ledger-archive", "payments"), events("payments")],
        ),
        question(
            "settlement",
            "payments",
            &["container-exits"],
            &["certificate expired"],
            log_of("settlement", "payments", false),
        ),
        question("node-3", "", &["node-pressure"], &["DiskPressure|disk"], vec![nodes]),
    ]
    .into_iter()
    .collect()
}

fn question(
    name: &str,
    namespace: &str,
    causes: &[&str],
    facts: &[&str],
    theirs: Vec<(&'static str, Value)>,
) -> Result<Question> {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (causes, facts) = (own(causes), own(facts));
    let mut arguments = json!({"name": name});
    if !namespace.is_empty() {
        arguments["namespace"] = json!(namespace);
    }
    let call = |(tool, arguments): (&str, Value)| Call { tool: tool.to_owned(), arguments };
    Ok(Question {
        name: format!("shop: {name}"),
        ours: call(("diagnose", arguments)),
        theirs: theirs.into_iter().map(call).collect(),
        ours_must_say: Expectation::new(Some(&causes), &facts, &[])?,
        theirs_must_say: Expectation::new(None, &facts, &[])?,
        facts: facts.len(),
    })
}
