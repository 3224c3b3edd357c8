//! A call of every tool, with the expected contents of its answer.

use serde_json::{Value, json};

/// Calls with the expected parts of their answers. The shop is the same in both clusters.
pub(super) fn cases() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let (web, cart, search) = ("web-6d4f9c7b8d-k8pq2", "cart-5b8f7d9c64-mz7wl", "search-7f9d6c5b48-t5v9r");
    let ledger = "ledger-7d8c6f9b55-q7r3x";
    vec![
        ("namespaces_list", json!({}), vec!["NAME", "shop", "payments", "Active"]),
        ("namespaces_list", json!({"fieldSelector": "metadata.name=shop"}), vec!["shop"]),
        (
            "nodes_list",
            json!({}),
            vec!["node-1", "Ready", "node-3", "Ready,DiskPressure", "worker", "v1.36.3", "16Gi"],
        ),
        (
            "nodes_get",
            json!({"name": "node-1"}),
            vec!["kind: Node", "kubeletVersion: v1.36.3", "2 images on this node are left out"],
        ),
        ("nodes_top", json!({}), vec!["CPU(cores)", "MEMORY(bytes)", "node-1", "500m", "2Gi", "12%"]),
        (
            "pods_list",
            json!({"labelSelector": "app in (web,cart)"}),
            vec![
                "shop",
                cart,
                "1/2",
                "CrashLoopBackOff",
                web,
                "registry.example.com/shop/web:1.9.0",
                "node-1",
            ],
        ),
        (
            "pods_list_in_namespace",
            json!({"namespace": "payments"}),
            vec![ledger, "0/1", "Pending", "ImagePullBackOff", "CreateContainerConfigError", "Error"],
        ),
        ("pods_list", json!({"fieldSelector": "spec.nodeName=node-3"}), vec!["thumbnails", "Completed"]),
        (
            "pods_get",
            json!({"name": search, "namespace": "shop"}),
            vec!["kind: Pod", "exitCode: 137", "reason: OOMKilled", "restartCount: 9"],
        ),
        (
            "pods_get",
            json!({"name": search, "fields": "status.phase"}),
            vec!["namespace: shop", "phase: Running"],
        ),
        ("pods_log", json!({"name": web, "namespace": "shop"}), vec!["listening on 8080"]),
        ("pods_log", json!({"name": web}), vec!["(namespace shop)", "listening on 8080"]),
        ("resources_describe", json!({"kind": "deploy", "name": "cart"}), vec!["Deployment shop/cart"]),
        ("events_list", json!({"name": "deploy/cart"}), vec!["in namespace shop", "BackOff"]),
        (
            "pods_log",
            json!({"name": cart, "namespace": "shop", "previous": "true"}),
            vec!["container cart", "proxy", "panic: dial tcp: lookup carts-db"],
        ),
        (
            "pods_log",
            json!({"name": cart, "namespace": "shop", "container": "proxy", "tail": 1.0}),
            vec!["proxy 0.9.1 is ready"],
        ),
        (
            "pods_log",
            json!({"name": "checkout-84c6f5d79b-p6j4s", "namespace": "shop"}),
            vec!["has not logged any message yet"],
        ),
        (
            "pods_log",
            json!({"name": ledger, "namespace": "payments"}),
            vec!["no container has started", "Insufficient memory"],
        ),
        ("pods_top", json!({"namespace": "shop"}), vec!["cart-db-0", "300m", "total: 980m 1.22Gi"]),
        (
            "deployments_list",
            json!({"namespace": "shop"}),
            vec![
                "web",
                "2/2",
                "ProgressDeadlineExceeded",
                "registry.example.com/shop/web:1.9.0",
                "cart",
                "0/1",
            ],
        ),
        (
            "events_list",
            json!({"namespace": "shop"}),
            vec!["BackOff", "Pod/cart-5b8f7d9c64-mz7wl", "x61", "Back-off restarting failed container"],
        ),
        (
            "events_list",
            json!({"namespace": "payments", "fieldSelector": "type=Warning"}),
            vec!["FailedScheduling", "2 Insufficient memory"],
        ),
        (
            "resources_list",
            json!({"kind": "svc", "namespace": "shop"}),
            vec!["checkout", "ClusterIP", "80/TCP"],
        ),
        (
            "resources_list",
            json!({"kind": "ConfigMap", "apiVersion": "v1"}),
            vec!["NAMESPACE", "shop", "shop-config", "DATA"],
        ),
        (
            "resources_list",
            json!({"kind": "pvc"}),
            vec!["ledger-archive", "Pending", "data-cart-db-0", "Bound"],
        ),
        (
            "resources_get",
            json!({"kind": "Deployment", "apiVersion": "apps/v1", "name": "web", "namespace": "shop"}),
            vec!["kind: Deployment", "ProgressDeadlineExceeded"],
        ),
        (
            "resources_get",
            json!({"kind": "Deployment", "name": "web", "namespace": "shop", "fields": ["status.readyReplicas"]}),
            vec!["status:\n  readyReplicas: 2"],
        ),
        (
            "diagnose",
            json!({"name": "checkout"}),
            vec!["[service-selector] Service shop/checkout", "version=v1, not version=v2"],
        ),
        ("diagnose_custom", json!({"kind": "deployment"}), vec!["is built in: ask diagnose"]),
        (
            "changes",
            // Of the start of the run, before which other suites ran.
            json!({"namespace": "shop", "since": "6h"}),
            vec![
                "killed for its memory Deployment shop/search, container search: limit 128Mi",
                "restarted Deployment shop/cart, container cart: exit code 1 (Error); 14 restarts so far",
            ],
        ),
        (
            "find",
            json!({"query": "checkout"}),
            vec!["Deployment  shop", "checkout-84c6f5d79b-p6j4s", "searched 14 of 14 kinds"],
        ),
        (
            "resources_describe",
            json!({"kind": "pod", "name": cart, "namespace": "shop"}),
            vec![
                "CrashLoopBackOff",
                "exit code 1",
                "14 restarts",
                "owned by: ReplicaSet cart-5b8f7d9c64 < Deployment cart",
                "BackOff",
                "x61",
            ],
        ),
        (
            "resources_describe",
            json!({"kind": "svc", "name": "catalog", "namespace": "shop"}),
            vec!["no ready endpoint", "catalog-6b5d8c7f94-9wd2c"],
        ),
        (
            "resources_explain",
            json!({"kind": "deploy", "field": "spec.replicas"}),
            vec!["Deployment.spec.replicas <integer>"],
        ),
        (
            "api_resources_list",
            json!({"group": "apps"}),
            vec!["deployments", "deploy", "apps/v1", "true", "Deployment"],
        ),
        (
            "configuration_view",
            json!({}),
            vec!["cluster: https://127.0.0.1:", "account: system:serviceaccount:"],
        ),
        (
            "access_check",
            json!({"verb": "list", "kind": "pods"}),
            vec!["yes: ", "may list pods in all namespaces", "RBAC: allowed by"],
        ),
        (
            "pods_top",
            json!({"sortBy": "memory", "limit": 1}),
            vec!["1 containers with the highest memory shown of", "total: "],
        ),
        ("nodes_top", json!({"sortBy": "memory", "fieldSelector": "metadata.name!=node-2"}), vec!["node-1"]),
        (
            "events_list",
            json!({"name": "deploy/cart", "namespace": "shop"}),
            vec!["events of \"deploy/cart\" and what it owns", "BackOff", cart],
        ),
        (
            "resources_describe",
            json!({"kind": "deploy", "name": "cart", "namespace": "shop"}),
            vec!["worst pod cart-", "waiting CrashLoopBackOff", "exit code 1", "Pod/cart-"],
        ),
        ("nodes_log", json!({"name": "node-1", "query": "kubelet", "tailLines": 2.0}), vec![]),
        ("nodes_stats_summary", json!({"name": "node-1"}), vec!["node-1"]),
        ("helm_list", json!({"namespace": "payments"}), vec![]),
        ("projects_list", json!({}), vec!["it is not OpenShift"]),
    ]
}
