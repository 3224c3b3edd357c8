//! Every tool, over Dify's transport, on objects that a real node wrote.

use std::collections::BTreeSet;

use porthole_testbed::{dify::Dify, node::NODE_NAME, porthole::number_of_tools};
use serde_json::{Value, json};

use crate::{
    deployed::{Deployed, SOON},
    within,
};

/// Calls, with the expected parts of their answers.
fn cases(deployed: &Deployed) -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let (web, cart) = (deployed.pod("web"), deployed.pod("cart"));
    vec![
        ("namespaces_list", json!({}), vec!["shop", "mcp-tools", "kube-system", "Active"]),
        ("nodes_list", json!({}), vec![NODE_NAME, "Ready", "v1.36.3"]),
        (
            "nodes_get",
            json!({"name": NODE_NAME}),
            vec!["kind: Node", "containerRuntimeVersion: containerd://"],
        ),
        ("nodes_top", json!({}), vec![NODE_NAME, "CPU(cores)", "%"]),
        ("pods_top", json!({"namespace": "shop"}), vec!["web-", "total:"]),
        ("pods_list", json!({"labelSelector": "app=web"}), vec!["shop", "2 Running", "busybox:1.36"]),
        (
            "pods_list_in_namespace",
            json!({"namespace": "mcp-tools"}),
            vec!["porthole-", "1/1", "Running", "porthole:latest"],
        ),
        ("pods_get", json!({"name": "greedy", "namespace": "shop"}), vec!["kind: Pod", "reason: OOMKilled"]),
        ("pods_log", json!({"name": web, "namespace": "shop"}), vec!["listening on 8080"]),
        ("pods_log", json!({"name": cart, "namespace": "shop"}), vec!["panic: no database"]),
        // Porthole runs in mcp-tools, and the name tells the namespace.
        ("pods_get", json!({"name": cart, "fields": ["status.phase"]}), vec!["namespace: shop", "phase: "]),
        ("pods_log", json!({"name": cart}), vec!["(namespace shop)", "panic: no database"]),
        ("resources_describe", json!({"kind": "pod", "name": cart}), vec!["Pod shop/", "exit code 3"]),
        ("pods_log", json!({"name": "picky", "namespace": "shop"}), vec!["picky"]),
        ("deployments_list", json!({"namespace": "shop"}), vec!["web", "2/2", "cart", "0/1"]),
        ("events_list", json!({"namespace": "shop"}), vec!["BackOff", "FailedScheduling", "Pod/picky"]),
        (
            "resources_list",
            json!({"kind": "endpointslices", "namespace": "shop"}),
            vec!["web-", "8080", "10.89."],
        ),
        (
            "resources_get",
            json!({"kind": "Deployment", "name": "web", "namespace": "shop", "fields": ["status.readyReplicas"]}),
            vec!["readyReplicas: 2"],
        ),
        (
            "resources_describe",
            json!({"kind": "pod", "name": cart, "namespace": "shop"}),
            vec!["exit code 3", "Deployment cart", "BackOff"],
        ),
        (
            "resources_explain",
            json!({"kind": "deploy", "field": "spec.replicas"}),
            vec!["Deployment.spec.replicas <integer>"],
        ),
        ("api_resources_list", json!({"group": "apps"}), vec!["deployments"]),
        (
            "configuration_view",
            json!({}),
            vec![
                "version: v1.36.3",
                "account: system:serviceaccount:mcp-tools:k8s-mcp-server-sa",
                "default namespace: mcp-tools",
            ],
        ),
        ("access_check", json!({"verb": "list", "kind": "pods"}), vec!["yes: ", "RBAC: allowed by"]),
        ("diagnose", json!({"name": "cart", "namespace": "shop"}), vec!["panic: no database", "3"]),
        ("diagnose", json!({"name": "greedy", "namespace": "shop"}), vec!["OOMKilled", "16Mi"]),
        ("diagnose", json!({"name": "picky"}), vec!["disk=ssd"]),
        ("diagnose_custom", json!({}), vec!["this cluster serves no custom kinds"]),
        ("changes", json!({"namespace": "shop"}), vec!["Deployment shop/web", "Deployment shop/cart"]),
        // Its endpoints are null, and not an empty list.
        (
            "resources_describe",
            json!({"kind": "svc", "name": "nowhere", "namespace": "shop"}),
            vec!["endpoints: 0 ready", "no ready endpoint"],
        ),
        ("find", json!({"query": "web"}), vec!["Deployment  shop", "web"]),
        // Secrets are denied by the ConfigMap that is deployed.
        ("helm_list", json!({}), vec!["resource not allowed"]),
        (
            "nodes_log",
            json!({"name": NODE_NAME, "query": "/kube-scheduler.log"}),
            vec!["Starting Kubernetes Scheduler"],
        ),
        ("nodes_stats_summary", json!({"name": NODE_NAME}), vec![NODE_NAME]),
        ("projects_list", json!({}), vec!["it is not OpenShift"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn dify_lists_and_calls_every_tool_at_the_node_port() {
    let deployed = Deployed::get().await;
    let mut dify = Dify::connect(&deployed.origin, Some(&deployed.token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let listed = dify.tools().await.unwrap();
    assert_eq!(listed.len(), number_of_tools());
    let listed: BTreeSet<&str> = listed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let cases = cases(deployed);
    assert_eq!(listed, cases.iter().map(|(tool, ..)| *tool).collect(), "each tool has a case");
    let mut wrong = Vec::new();
    for (tool, arguments, expected) in cases {
        // Containers that crash are in other states in between, and the kubelet measures later than it starts.
        let right = within(SOON, async || {
            let text = deployed.call(tool, arguments.clone()).await;
            let missing: Vec<_> = expected.iter().filter(|part| !text.contains(**part)).collect();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("{tool} {arguments}: no {missing:?} in\n{text}"))
            }
        })
        .await;
        wrong.extend(right.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    deployed.keep_log();
}
