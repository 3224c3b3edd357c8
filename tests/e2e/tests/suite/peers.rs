//! The popular server's own test cases, 1 to 13 of docs/research/peers.md §5, as far as they read. If Porthole's answer
//! differs on purpose, the test says why.

mod fixture;
mod unmeasured;

use porthole_testbed::{
    accounts,
    http::Streamable,
    porthole::{Demo, Porthole},
};
use serde_json::{Value, json};

use crate::reader;
use fixture::Peers;

/// Rows of a table, without counts, header and notice.
fn rows(text: &str) -> Vec<&str> {
    text.lines()
        .skip_while(|line| !line.starts_with("NAME"))
        .skip(1)
        .filter(|line| !line.starts_with("shown "))
        .collect()
}

/// Case 1.
#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_listed_with_and_without_arguments() {
    let peers = Peers::new().await;
    let all = peers.ok("namespaces_list", json!({})).await;
    for name in ["default", "ns-1", "ns-2"] {
        assert!(rows(&all).iter().any(|row| row.starts_with(&format!("{name} "))), "{name}: {all}");
    }
    let client = Streamable::new(&peers.host.origin, Some(&peers.token));
    let bare = client.request("tools/call", json!({"name": "namespaces_list"})).await.unwrap();
    assert_eq!(bare["isError"], false);
    let one = peers.ok("namespaces_list", json!({"fieldSelector": "metadata.name=ns-1"})).await;
    assert!(rows(&one).len() == 1 && one.contains("ns-1"), "{one}");
}

/// Case 2.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_all_namespaces_says_which_of_them_were_not_read() {
    let peers = Peers::new().await;
    let all = peers.ok("pods_list", json!({})).await;
    for namespace in ["default", "ns-1", "ns-2"] {
        assert!(all.contains(&format!("a-pod-in-{namespace}")), "{all}");
    }
    let whole = peers.ok("pods_list", json!({"output": "yaml", "labelSelector": "app=nginx"})).await;
    assert!(whole.contains("nginx") && !whole.contains("managedFields"), "{whole}");
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
    // Better than only the pods of default: the answer says that it is incomplete, and which namespaces were tried.
    let token = accounts::account(&client, "tests", "default-only").await.unwrap();
    accounts::allow(&client, ("tests", "default-only"), Some("default"), pods.clone()).await.unwrap();
    let client_of = |token: &str| Streamable::new(&peers.host.origin, Some(token));
    let some = client_of(&token).call("pods_list", json!({})).await.unwrap();
    assert!(some.starts_with("NOT ALL: ") && some.contains("tried (tests, default)"), "{some}");
    assert!(some.contains("a-pod-in-default") && !some.contains("a-pod-in-ns-1"), "{some}");
    // With two readable namespaces it offers both.
    accounts::allow(&client, ("tests", "default-only"), Some("tests"), pods).await.unwrap();
    let begun = std::time::Instant::now();
    loop {
        let offered = client_of(&token).call("pods_list", json!({})).await.unwrap();
        if offered.contains("can be listed in tests, default") && offered.starts_with("ERROR: forbidden") {
            break;
        }
        // The API server applies a new binding with a short delay.
        assert!(begun.elapsed().as_secs() < 60, "{offered}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let nothing = accounts::account(&client, "tests", "no-rights").await.unwrap();
    let refused = client_of(&nothing).call("pods_list", json!({})).await.unwrap();
    assert!(refused.starts_with("ERROR: forbidden") && refused.contains("tests, default"), "{refused}");
}

/// Case 2.
#[tokio::test(flavor = "multi_thread")]
async fn configured_namespaces_are_tried_before_the_callers_own() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = accounts::account(&client, "tests", "shop-only").await.unwrap();
    let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, ("tests", "shop-only"), Some("shop"), pods).await.unwrap();
    let host = Porthole::configured(&cluster.kubeconfig, "namespaces: [shop, payments]\n").await.unwrap();
    let some =
        Streamable::new(&host.origin, Some(&token)).call("pods_list", json!({"limit": 1})).await.unwrap();
    assert!(some.contains("tried (shop, payments, tests, default)") && some.contains("in shop"), "{some}");
}

/// Case 3.
#[tokio::test(flavor = "multi_thread")]
async fn pods_of_one_namespace_need_its_name() {
    let peers = Peers::new().await;
    let refused = peers.refused("pods_list_in_namespace", json!({})).await;
    assert!(refused.contains("namespace parameter required"), "{refused}");
    let one = peers.ok("pods_list_in_namespace", json!({"namespace": "ns-1"})).await;
    assert_eq!(rows(&one).len(), 1, "{one}");
}

/// Case 4.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_missing_is_answered_with_those_of_a_similar_name() {
    let peers = Peers::new().await;
    let refused = peers.refused("pods_get", json!({})).await;
    assert!(refused.contains("name parameter required"), "{refused}");
    let refused = peers.refused("pods_get", json!({"name": "not-found"})).await;
    assert!(refused.contains("pods \"not-found\" not found"), "{refused}");
    let found = peers.ok("pods_get", json!({"name": "a-pod-in-default"})).await;
    assert!(found.contains("namespace: default"), "{found}");
    // Better: a name is found without its namespace, and of one that several have none is read.
    let found = peers.ok("pods_get", json!({"name": "a-pod-in-ns-1", "fields": "status.phase"})).await;
    assert!(found.contains("namespace: ns-1"), "{found}");
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    for namespace in ["ns-1", "ns-2"] {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        accounts::create(&client, &path, &json!({"metadata": {"name": "shared"}})).await.unwrap();
    }
    let several = peers.refused("resources_get", json!({"kind": "cm", "name": "shared"})).await;
    assert!(
        several.contains("none of them was read")
            && several.contains("cm ns-1/shared")
            && several.contains("cm ns-2/shared"),
        "{several}"
    );
    // Better: the error suggests similar names and their namespaces.
    let near = peers.refused("pods_get", json!({"name": "a-pod", "namespace": "ns-1"})).await;
    assert!(near.contains("There is in namespace ns-1: a-pod-in-ns-1"), "{near}");
    let elsewhere =
        peers.refused("pods_get", json!({"name": "web-6d4f9c7b8d-k8pq2", "namespace": "ns-1"})).await;
    assert!(elsewhere.contains("One of that name is in namespace shop"), "{elsewhere}");
}

/// Case 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_of_the_default_container_and_names_the_others() {
    let peers = Peers::new().await;
    let refused = peers
        .refused(
            "pods_log",
            json!({"name": "a-pod-in-ns-1", "namespace": "ns-1", "container": "a-not-existing-container"}),
        )
        .await;
    assert!(
        refused.contains("container a-not-existing-container is not valid for pod a-pod-in-ns-1")
            && refused.contains("It has: nginx"),
        "{refused}"
    );
    // Better than rejecting "false" and 0: their meaning is unambiguous, and Dify sends them (dify-client.md §1.5).
    for previous in [json!("false"), json!(0)] {
        let arguments = json!({"name": "a-pod-in-ns-1", "namespace": "ns-1", "previous": previous});
        peers.ok("pods_log", arguments).await;
    }
    let refused = peers.refused("pods_log", json!({"name": "a-pod-in-ns-1", "previous": "maybe"})).await;
    assert!(refused.contains("previous parameter must be a boolean"), "{refused}");
    let refused = peers.refused("pods_log", json!({"name": "a-pod-in-ns-1", "tail": "invalid"})).await;
    assert!(refused.contains("tail parameter must be an integer"), "{refused}");
    // The annotation takes precedence over the first container (proxy), the argument over both.
    let cart = json!({"name": "cart-5b8f7d9c64-mz7wl", "namespace": "shop"});
    let default = peers.ok("pods_log", cart.clone()).await;
    assert!(default.contains("container cart") && default.contains("panic"), "{default}");
    let mut named = cart;
    named["container"] = "proxy".into();
    let proxy = peers.ok("pods_log", named).await;
    assert!(proxy.contains("proxy 0.9.1 is ready"), "{proxy}");
}

/// Case 6.
#[tokio::test(flavor = "multi_thread")]
async fn any_kind_is_listed_by_any_of_its_names_and_by_selectors() {
    let peers = Peers::new().await;
    // Better than an error for a missing apiVersion: the kind alone suffices, in any form.
    for kind in ["Namespace", "ns", "namespaces"] {
        let some = peers.ok("resources_list", json!({"kind": kind})).await;
        assert!(rows(&some).len() >= 3, "{some}");
    }
    let refused = peers.refused("resources_list", json!({"apiVersion": "v1"})).await;
    assert!(refused.contains("kind parameter required"), "{refused}");
    let refused =
        peers.refused("resources_list", json!({"apiVersion": "invalid/api/version", "kind": "Pod"})).await;
    assert!(refused.contains("invalid argument apiVersion"), "{refused}");
    let custom = json!({"apiVersion": "custom.non.existent.example.com/v1", "kind": "Custom"});
    let refused = peers.refused("resources_list", custom).await;
    let expected = "no matches for kind \"Custom\" in version \"custom.non.existent.example.com/v1\"";
    assert!(refused.contains(expected), "{refused}");
    let pods = |arguments: Value| {
        let mut all = json!({"kind": "Pod", "apiVersion": "v1", "namespace": "default"});
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        all
    };
    let one = peers.ok("resources_list", pods(json!({"labelSelector": "app=nginx"}))).await;
    assert!(rows(&one).len() == 1 && one.contains("a-pod-in-default"), "{one}");
    let none = peers.ok("resources_list", pods(json!({"labelSelector": "app=nothing"}))).await;
    assert!(none.starts_with("No Pod objects"), "{none}");
    let both = json!({"labelSelector": "app=nginx", "fieldSelector": "metadata.name=other"});
    let none = peers.ok("resources_list", pods(both)).await;
    assert!(none.starts_with("No Pod objects"), "{none}");
    let both = json!({"labelSelector": "app=nginx", "fieldSelector": "metadata.name=a-pod-in-default"});
    assert_eq!(rows(&peers.ok("resources_list", pods(both)).await).len(), 1);
    // Better than the payload twice, as text and as structuredContent: once, in the requested format.
    let json_text = peers
        .ok("resources_list", pods(json!({"output": "json", "fields": "spec.containers[].image"})))
        .await;
    let items: Value = serde_json::from_str(&json_text).unwrap();
    assert_eq!(items["items"][0]["spec"]["containers"][0]["image"], "nginx", "{json_text}");
}

/// Case 7.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_any_kind_needs_its_kind_and_its_name() {
    let peers = Peers::new().await;
    for (arguments, expected) in [
        (json!({"name": "default"}), "kind parameter required"),
        (json!({"kind": "Namespace"}), "name parameter required"),
        (
            json!({"kind": "Namespace", "apiVersion": "a/b/c", "name": "default"}),
            "invalid argument apiVersion",
        ),
        (json!({"kind": "Nmespace", "name": "default"}), "namespaces"),
    ] {
        let refused = peers.refused("resources_get", arguments).await;
        assert!(refused.contains(expected), "no {expected:?} in {refused}");
    }
    let found =
        peers.ok("resources_get", json!({"apiVersion": "v1", "kind": "Namespace", "name": "default"})).await;
    assert!(found.contains("kind: Namespace") && found.contains("phase: Active"), "{found}");
}

/// Case 8.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_by_type_and_selected_by_it() {
    let peers = Peers::new().await;
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "quiet").await.unwrap();
    let none = peers.ok("events_list", json!({"namespace": "quiet"})).await;
    assert!(none.starts_with("No events in namespace quiet"), "{none}");
    for (namespace, ty) in [("default", "Normal"), ("ns-1", "Warning")] {
        let event = json!({"metadata": {"name": "an-event"}, "type": ty, "message": format!("The event message of {namespace}"),
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "a-pod", "namespace": namespace}});
        accounts::create(&client, &format!("/api/v1/namespaces/{namespace}/events"), &event).await.unwrap();
    }
    let all = peers.ok("events_list", json!({})).await;
    assert!(
        all.contains("The event message of default") && all.contains("The event message of ns-1"),
        "{all}"
    );
    let one = peers.ok("events_list", json!({"namespace": "ns-1"})).await;
    assert!(one.starts_with("1 events: 1 Warning") && one.contains("Pod/a-pod"), "{one}");
    let warnings = peers.ok("events_list", json!({"fieldSelector": "type=Warning"})).await;
    assert!(warnings.contains("of ns-1") && !warnings.contains("of default"), "{warnings}");
}

/// Case 9.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_kind_is_refused_by_its_name_in_every_tool() {
    let denied =
        "denied: [secrets, '*.rbac.authorization.k8s.io', pods, nodes, events, '*.metrics.k8s.io']\n";
    let peers = Peers::configured(denied).await;
    for (tool, arguments, expected) in [
        ("resources_list", json!({"kind": "Secret"}), "resource not allowed: /v1, Kind=Secret"),
        ("resources_get", json!({"kind": "Secret", "name": "x"}), "resource not allowed: /v1, Kind=Secret"),
        (
            "resources_list",
            json!({"kind": "Role"}),
            "resource not allowed: rbac.authorization.k8s.io/v1, Kind=Role",
        ),
        ("resources_get", json!({"kind": "Role", "name": "x"}), "rbac.authorization.k8s.io/v1, Kind=Role"),
        (
            "resources_describe",
            json!({"kind": "Role", "name": "x"}),
            "rbac.authorization.k8s.io/v1, Kind=Role",
        ),
        ("helm_list", json!({}), "resource not allowed: secrets"),
        ("pods_list", json!({}), "resource not allowed: /v1, Kind=Pod"),
        (
            "pods_log",
            json!({"name": "a-pod-in-default", "namespace": "default"}),
            "resource not allowed: pods/log",
        ),
        ("nodes_list", json!({}), "resource not allowed: /v1, Kind=Node"),
        ("nodes_log", json!({"name": "node-1", "query": "x"}), "resource not allowed: nodes/proxy"),
        ("events_list", json!({}), "resource not allowed: /v1, Kind=Event"),
        ("nodes_top", json!({}), "resource not allowed: metrics.k8s.io/v1beta1"),
    ] {
        let refused = peers.refused(tool, arguments).await;
        assert!(refused.contains(expected), "{tool}: no {expected:?} in {refused}");
    }
    peers.ok("resources_list", json!({"kind": "Namespace"})).await;
}

/// Cases 10 and 11. Uses the embedded cluster's node, because the API server's proxy refuses loopback addresses.
#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_log_and_statistics_are_read_and_no_other_path_of_its_kubelet() {
    let demo = Demo::start(None).await.unwrap();
    let client = Streamable::new(&demo.host.origin, Some(&demo.token("admin")));
    let log = |query: &str, tail: Value| json!({"name": "node-1", "query": query, "tailLines": tail});
    let all = client.call("nodes_log", log("/kubelet.log", Value::Null)).await.unwrap();
    assert_eq!(all.lines().count(), 5, "{all}");
    for tail in [json!(2), json!(2.0), json!("2")] {
        let two = client.call("nodes_log", log("/kubelet.log", tail)).await.unwrap();
        assert_eq!(two.lines().collect::<Vec<_>>(), all.lines().skip(3).collect::<Vec<_>>());
    }
    let empty = client.call("nodes_log", log("/empty.log", Value::Null)).await.unwrap();
    assert!(empty.contains("has not logged any message yet"), "{empty}");
    for (node, query, expected) in [
        ("node-9", "/kubelet.log", "nodes \"node-9\" not found"),
        ("node-1", "/nothing.log", "nothing.log"),
        ("node-1", "/pods/shop", "folders cannot be read"),
        ("node-1", "../../etc/shadow", "folders cannot be read"),
    ] {
        let refused = client.call("nodes_log", json!({"name": node, "query": query})).await.unwrap();
        assert!(refused.starts_with("ERROR: ") && refused.contains(expected), "{refused}");
    }
    // Better than 82 kB of usageNanoCores: the metrics with units.
    let stats = client.call("nodes_stats_summary", json!({"name": "node-1"})).await.unwrap();
    for part in ["node node-1", "cpu: 500m used", "2Gi working set", "cart-db-0", "512Mi"] {
        assert!(stats.contains(part), "no {part:?} in {stats}");
    }
    let nobody = Streamable::new(&demo.host.origin, Some(&demo.token("developer")));
    let refused = nobody.call("nodes_stats_summary", json!({"name": "node-1"})).await.unwrap();
    assert!(refused.contains("forbidden"), "{refused}");
}

/// Case 12.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_totals_and_say_what_to_install_if_there_are_none() {
    let peers = Peers::new().await;
    let nodes = peers.ok("nodes_top", json!({})).await;
    assert!(nodes.contains("500m") && nodes.contains("2Gi"), "{nodes}");
    let pods = peers.ok("pods_top", json!({"namespace": "shop"})).await;
    assert!(pods.contains("cart-db-0") && pods.contains("total: 980m 1.22Gi"), "{pods}");
    let here = peers.ok("pods_top", json!({"all_namespaces": false})).await;
    assert!(here.contains("No metrics of such pods in namespace default"), "{here}");
    let one = peers.ok("pods_top", json!({"namespace": "shop", "name": "cart-db-0"})).await;
    assert_eq!(rows(&one).len(), 2, "its row and the total: {one}");
    // A cluster without the metrics API.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
        .unwrap();
    let demo = Demo::start(Some(folder.path())).await.unwrap();
    let client = Streamable::new(&demo.host.origin, Some(&demo.token("admin")));
    for tool in ["nodes_top", "pods_top"] {
        let refused = client.call(tool, json!({})).await.unwrap();
        assert!(refused.starts_with("ERROR: the metrics API is not available"), "{refused}");
        assert!(refused.contains("metrics-server"), "it says what to install: {refused}");
    }
}

/// Case 13. Better than their columns: APIVERSION and KIND in each row, NOMINATED NODE, LABELS.
#[tokio::test(flavor = "multi_thread")]
async fn tables_have_the_columns_that_answer_questions() {
    let peers = Peers::new().await;
    for (tool, arguments, header, row) in [
        (
            "pods_list",
            json!({"fieldSelector": "metadata.name=a-pod-in-ns-1"}),
            vec!["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE", "IMAGES"],
            vec!["ns-1", "a-pod-in-ns-1", "0/1", "Pending", "0"],
        ),
        (
            "namespaces_list",
            json!({"fieldSelector": "metadata.name=ns-1"}),
            vec!["NAME", "STATUS", "AGE"],
            vec!["ns-1", "Active"],
        ),
        (
            "resources_list",
            json!({"kind": "ConfigMap", "fieldSelector": "metadata.name=shop-config"}),
            vec!["NAMESPACE", "NAME", "DATA", "AGE"],
            vec!["shop", "shop-config", "3"],
        ),
        (
            "resources_list",
            json!({"kind": "customresourcedefinitions", "fieldSelector": "metadata.name=pods.metrics.k8s.io"}),
            vec!["NAME", "CREATED", "AT"],
            vec!["pods.metrics.k8s.io"],
        ),
        (
            "pods_list",
            json!({"fieldSelector": "metadata.name=a-pod-in-default", "fields": "metadata.labels"}),
            vec!["NAMESPACE", "NAME", "metadata.labels"],
            vec!["default", "a-pod-in-default", "app=nginx"],
        ),
    ] {
        let text = peers.ok(tool, arguments).await;
        let titles: Vec<&str> =
            text.lines().find(|line| line.starts_with("NAME")).unwrap().split_whitespace().collect();
        assert_eq!(titles, header, "{text}");
        let cells: Vec<&str> = rows(&text)[0].split_whitespace().collect();
        assert_eq!(cells[..row.len()], row, "{text}");
    }
}
