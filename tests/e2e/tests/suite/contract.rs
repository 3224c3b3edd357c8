//! Every function of `wit/porthole.wit`, called by a component.

use porthole_testbed::{
    accounts,
    http::Streamable,
    porthole::{Porthole, guest},
};
use serde_json::json;

use crate::reader;

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_contract_is_answered_as_it_says() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = accounts::account(&client, "tests", "curious").await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["pods", "pods/log", "secrets", "configmaps"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, ("tests", "curious"), None, rules).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(guest("curious"), folder.path().join("curious.wasm")).unwrap();
    let options =
        ["--kubeconfig", cluster.kubeconfig.to_str().unwrap(), "--plugins", folder.path().to_str().unwrap()];
    let host = Porthole::with(&options).await.unwrap();
    let streamable = Streamable::new(&host.origin, Some(&token));
    for (what, expected) in [
        ("secret-whole", vec![r#""password":"<redacted>""#, r#""type":"Opaque""#]),
        ("secret-fields", vec![r#""data":{"password":"<redacted>"}"#]),
        ("secret-table", vec!["columnDefinitions", "Opaque"]),
        ("secret-list", vec![r#""password":"<redacted>""#]),
        (
            "get-all",
            vec![
                r#"[Ok("{\"metadata\":{\"name\":\"web-6d4f9c7b8d-k8pq2\"}}"), Err("#,
                "NotFound",
                "cart-5b8f7d9c64-mz7wl",
            ],
        ),
        ("get-too-many", vec!["Invalid", "at most 64 questions at once"]),
        ("list-all", vec!["web-7c9d5f6b49-hq4n6", "count: 9", "ledger-7d8c6f9b55-q7r3x", "count: 4"]),
        (
            "pod-logs",
            vec![
                "connecting to carts-db:5432\\npanic: dial tcp: lookup carts-db on 10.96.0.10:53: no such host\\n\\n",
                "lines-read: 7",
                "ByteLimit",
                "Z INFO  GET / 200 9ms",
                "NotFound",
            ],
        ),
        ("bad-pattern", vec!["ERROR: ", "the pattern"]),
        (
            "open-log",
            vec![
                "1 refused; LogChunk",
                r"Z WARN  GET /cart 502 cart: connection refused\n20",
                r#"Z INFO  GET / 200 9ms\n", lines: 2, "#,
                r#"{ text: "", lines: 0, end: Some(LogEnd::Whole) }"#,
            ],
        ),
        (
            "search-logs",
            vec![
                r#"first: "INFO  GET / 200 12ms\n", last: "INFO  GET / 200 9ms\n", matched: 2"#,
                "lines-read: 6",
                "first-line: Some(\"20",
                "end: LogEnd::Whole",
                "NotFound",
            ],
        ),
        ("kinds", vec!["kinds, ", r#"group: "apps""#, r#"short-names: ["deploy"]"#, "namespaced: true"]),
        ("can-i", vec!["list pods: true, delete pods: false"]),
        ("whoami", vec!["system:serviceaccount:tests:curious of ", "system:authenticated", " on v1."]),
        ("changes", vec![" objects; [Change {", "operation: \"Update\"", "\"data.password\""]),
        ("undeclared", vec!["Err(Reason::NotGranted) Err(Reason::NotGranted)"]),
        ("explain", vec!["Pod.spec <PodSpec> (v1)", "containers <[]Container> required List of containers"]),
        ("exactly", vec!["the same: true, true"]),
        ("call", vec!["default 32768 of tests+default at https://127.0.0.1:"]),
    ] {
        let text = streamable.call("curious", json!({"what": what})).await.unwrap();
        for part in expected {
            assert!(text.contains(part), "{what}: no {part:?} in\n{text}");
        }
        for secret in ["hunter2", "aHVudGVyMi1pbi1jbGVhcg", "last-applied"] {
            assert!(!text.contains(secret), "{what}: {text}");
        }
    }
    let outline = streamable.call("curious", json!({"what": "outline"})).await.unwrap();
    assert!(outline.contains("CrashLoopBackOff") && !outline.contains("\"Namespace\""), "{outline}");
    host.until_logged("for the operator").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_built_before_functions_were_added_is_still_served() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = accounts::account(&client, "tests", "earlier").await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, ("tests", "earlier"), None, rules).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(guest("earlier"), folder.path().join("earlier.wasm")).unwrap();
    let options =
        ["--kubeconfig", cluster.kubeconfig.to_str().unwrap(), "--plugins", folder.path().to_str().unwrap()];
    let host = Porthole::with(&options).await.unwrap();
    let text = Streamable::new(&host.origin, Some(&token)).call("earlier", json!({})).await.unwrap();
    for line in [
        r#"get-object: {"metadata":{"name":"web-6d4f9c7b8d-k8pq2"}}"#,
        "list-objects: 3 pods",
        "pod-log: INFO  listening on 8080",
        "node-read: Reason::NotGranted",
        "get-all: 1 of 1",
        "list-all: 1 of 1",
        "pod-logs: 2 of 2",
        "kinds: some",
        "explain: a text",
        "can-i: true",
        "whoami: system:serviceaccount:tests:earlier",
        "releases: Reason::NotGranted",
        "budget: 32768, now: true",
    ] {
        assert!(text.lines().any(|answered| answered == line), "{line}: {text}");
    }
}
