//! Prompts over both transports: listed, filled in, and replaced by a folder.

use porthole_testbed::{dify::Dify, http::Streamable, porthole::Porthole};
use serde_json::{Value, json};

use crate::reader;

fn names(list: &Value) -> Vec<&str> {
    list["prompts"].as_array().unwrap().iter().map(|prompt| prompt["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_listed_and_filled_in_over_both_transports() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let client = Streamable::new(&host.origin, Some(&token));
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let info = dify.initialize("2025-06-18").await.unwrap();
    assert_eq!(info["capabilities"]["prompts"], json!({}));
    let list = dify.request("prompts/list", None).await.unwrap();
    assert_eq!(names(&list), ["is-the-cluster-healthy", "what-changed", "why-is-it-down"]);
    assert_eq!(client.request("prompts/list", json!({})).await.unwrap()["prompts"], list["prompts"]);
    let why = &list["prompts"][2];
    assert_eq!((&why["title"], &why["arguments"][0]["required"]), (&json!("Why is it down?"), &json!(true)));

    let asked = json!({"name": "why-is-it-down", "arguments": {"name": "checkout"}});
    let filled = dify.request("prompts/get", Some(asked.clone())).await.unwrap();
    assert_eq!(client.request("prompts/get", asked).await.unwrap()["messages"], filled["messages"]);
    let text = filled["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.starts_with("Find out why checkout does not work.\n\n1. Call diagnose"), "{text}");
    for (asked, words) in [
        (json!({"name": "why-is-it-down"}), "name parameter required"),
        (json!({"name": "why-is-it-down", "arguments": {"pod": "x"}}), "no argument"),
        (json!({"name": "gone"}), "no prompt \\\"gone\\\" here"),
        (json!({"name": 7}), "malformed params"),
    ] {
        let error = client.request("prompts/get", asked.clone()).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        let error = dify.request("prompts/get", Some(asked)).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_prompts_replaces_those_built_in() {
    let (cluster, token) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("prompts: {{folder: {:?}}}", folder.path());
    // An empty one: the protocol's capability is not announced either.
    let host = Porthole::configured(&cluster.kubeconfig, &config).await.unwrap();
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    assert!(dify.initialize("2025-06-18").await.unwrap()["capabilities"].get("prompts").is_none());
    assert_eq!(dify.request("prompts/list", None).await.unwrap()["prompts"], json!([]));

    let file = folder.path().join("on-call.md");
    std::fs::write(&file, "---\ntitle: On call\ndescription: Our first question\n---\nIs it us?\n").unwrap();
    let host = Porthole::configured(&cluster.kubeconfig, &config).await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    assert_eq!(names(&client.request("prompts/list", json!({})).await.unwrap()), ["on-call"]);
    let filled = client.request("prompts/get", json!({"name": "on-call"})).await.unwrap();
    assert_eq!(filled["messages"][0]["content"]["text"], "Is it us?");

    std::fs::write(&file, "Is it us?\n").unwrap();
    let error = Porthole::configured(&cluster.kubeconfig, &config).await.err().unwrap().to_string();
    assert!(error.contains("on-call.md") && error.contains("front matter"), "{error}");
}
