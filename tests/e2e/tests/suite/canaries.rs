//! Canaries in every place that defaults protect, searched for in every byte that leaves a host.

mod masked;
mod places;
mod search;
mod ways;

use porthole_testbed::{accounts, cluster::Cluster, http::Streamable, porthole::Porthole};
use serde_json::json;

use places::{NAMESPACE, Planted};
use search::Search;
use ways::{Call, Callers, search_all};

/// Paths that lead to what must not be shown.
const FIELDS: [&str; 6] = [
    "data",
    "stringData,data",
    "metadata.annotations",
    "metadata.managedFields",
    "metadata",
    "status.containerStatuses,message",
];
/// Room for every object whole: an answer that is cut off would prove nothing.
const CONFIG: &str = "limits: {output: 1Mi}\n";

/// A call of each tool, of which the others are made by what its schema offers.
fn calls(planted: &Planted) -> Vec<Call> {
    let here = || json!({"namespace": NAMESPACE});
    let pod = || json!({"name": "canary", "namespace": NAMESPACE});
    let mut calls = vec![
        ("access_check", json!({"subject": "canaries/keeper"})),
        ("access_check", json!({"verb": "get", "kind": "secrets", "namespace": NAMESPACE, "name": "opaque"})),
        ("api_resources_list", json!({})),
        ("changes", json!({"namespace": NAMESPACE, "since": "365d"})),
        ("changes", json!({"name": "canary"})),
        ("configuration_view", json!({})),
        ("deployments_list", here()),
        ("diagnose", here()),
        ("diagnose", pod()),
        ("diagnose", json!({"name": "opaque", "namespace": NAMESPACE, "kind": "secret"})),
        ("diagnose_custom", here()),
        ("events_list", here()),
        ("events_list", pod()),
        ("find", json!({"query": "canary", "namespace": NAMESPACE})),
        ("find", json!({"query": "opaque", "namespace": NAMESPACE, "kind": "secrets"})),
        ("helm_list", here()),
        ("helm_list", json!({})),
        ("namespaces_list", json!({})),
        ("nodes_get", json!({"name": "node-1"})),
        ("nodes_list", json!({})),
        ("nodes_log", json!({"name": "node-1", "query": "kubelet"})),
        ("nodes_stats_summary", json!({"name": "node-1"})),
        ("nodes_top", json!({})),
        ("pods_get", pod()),
        ("pods_list", json!({"fieldSelector": format!("metadata.namespace={NAMESPACE}")})),
        ("pods_list_in_namespace", here()),
        ("pods_log", pod()),
        ("pods_log", json!({"name": "canary", "namespace": NAMESPACE, "previous": true})),
        ("pods_log", json!({"name": "canary", "namespace": NAMESPACE, "grep": "login", "context": 2})),
        ("pods_top", here()),
        ("projects_list", json!({})),
        ("resources_explain", json!({"kind": "secrets", "depth": 3})),
    ];
    for kind in ["secrets", "configmaps", "pods", "events", "serviceaccounts"] {
        calls.push(("resources_list", json!({"kind": kind, "namespace": NAMESPACE})));
    }
    calls.push(("resources_list", json!({"kind": "secrets", "namespace": "kube-system"})));
    let secrets = planted.secrets.iter().map(|(namespace, name)| ("secrets", *namespace, name.as_str()));
    let others = [
        ("configmaps", NAMESPACE, "applied"),
        ("pods", NAMESPACE, "canary"),
        ("events", NAMESPACE, "canary"),
    ];
    for (kind, namespace, name) in secrets.chain(others) {
        let one = json!({"kind": kind, "namespace": namespace, "name": name});
        calls.extend([("resources_get", one.clone()), ("resources_describe", one)]);
    }
    calls
}

/// Asserts that the cluster itself holds each canary where it was put: what is not there cannot leak.
async fn assert_planted(cluster: &Cluster, search: &Search, planted: &Planted) {
    let client = cluster.admin().await.unwrap();
    let mut held = String::new();
    for path in [
        format!("/api/v1/namespaces/{NAMESPACE}/secrets"),
        "/api/v1/namespaces/kube-system/secrets".to_owned(),
        format!("/api/v1/namespaces/{NAMESPACE}/configmaps"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods"),
        format!("/api/v1/namespaces/{NAMESPACE}/events"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods/canary/log"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods/canary/log?previous=true"),
    ] {
        held += &client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
    }
    let found = search.find(held.as_bytes()).join("\n");
    for (place, _) in planted.canaries.borrow().iter() {
        // Within a packed release, which is looked for as it is stored.
        let is_packed = place.ends_with("of a release") || place.ends_with("of a chart");
        assert!(is_packed || found.contains(place.as_str()), "no canary in {place}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_leaves_a_host_in_any_form() {
    let cluster = Cluster::for_tests();
    let planted = Planted::plant(&cluster).await;
    let client = cluster.admin().await.unwrap();
    let keeper = accounts::account(&client, NAMESPACE, "keeper").await.unwrap();
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, (NAMESPACE, "keeper"), None, rules).await.unwrap();
    let nobody = accounts::account(&client, NAMESPACE, "nobody").await.unwrap();
    let search = Search::of(&planted.canaries.borrow());
    assert_planted(&cluster, &search, &planted).await;
    planted.token("the caller's token", &keeper);
    planted.token("the token of a caller without rights", &nobody);
    let search = Search::of(&planted.canaries.borrow());

    assert_found_unmasked(&cluster, &search, &keeper).await;

    let folder = tempfile::tempdir().unwrap();
    let host = ways::host(&cluster, CONFIG, folder.path()).await;
    let streamable = Streamable::new(&host.origin, Some(&keeper));
    let listed = streamable.request("tools/list", json!({})).await.unwrap();
    let listed = listed["tools"].as_array().unwrap();
    let calls = calls(&planted);
    for tool in listed {
        assert!(calls.iter().any(|(name, _)| tool["name"] == *name), "{} is not called", tool["name"]);
    }
    let callers = Callers { keeper: &keeper, nobody: &nobody };
    let found = search_all(&search, host, folder.path(), callers, (&calls, &FIELDS)).await;
    println!(
        "canaries: {} in {} Secrets and elsewhere, {found}",
        planted.canaries.borrow().len(),
        planted.secrets.len(),
    );
    assert!(found.leaks.is_empty(), "{} leaks:\n{}", found.leaks.len(), found.leaks.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_masked_canary_leaves_a_host_in_any_form() {
    masked::search_all_ways().await;
}

/// The search sees what leaves a host: where masking is off, the canaries of a log are found.
async fn assert_found_unmasked(cluster: &Cluster, search: &Search, token: &str) {
    let host = Porthole::configured(&cluster.kubeconfig, "redact: {logs: off}\n").await.unwrap();
    let client = Streamable::new(&host.origin, Some(token));
    let text = client.call("pods_log", json!({"name": "canary", "namespace": NAMESPACE})).await.unwrap();
    let found = search.find(text.as_bytes());
    assert!(found.iter().any(|leak| leak.starts_with("the log app.log, raw")), "{found:?} in {text}");
}
