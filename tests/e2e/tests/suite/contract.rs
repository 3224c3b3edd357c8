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
