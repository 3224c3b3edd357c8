//! Unbounded names: of tools, arguments, methods and fields.

use futures::future::join_all;
use porthole_testbed::http::send;
use serde_json::json;

use crate::{Case, stage::Stage};

/// Maximum length that a message permits.
const LONG: usize = 900_000;
/// Maximum size of an answer to a long name, which is truncated in the error text.
const SENTENCE: usize = 2048;

pub(crate) async fn tools(case: &'static Case) {
    let stage = Stage::usual(case).await;
    long_tools(&stage).await;
    stage.assert_grown_less_than(128);
}

/// The attack of [`tools`].
pub(crate) async fn long_tools(stage: &Stage) {
    let nobody = stage.nobody().await;
    let clients: Vec<_> = (0..20).map(|_| stage.client(&nobody)).collect();
    let name = "pods_lisst".repeat(LONG / 10);
    let attack = join_all(clients.iter().map(|client| client.call(&name, json!({}))));
    for answer in stage.attack(attack).await {
        // An error text, or a rejection of the message.
        let text = answer.unwrap_or_else(|error| error.to_string());
        assert!(text.len() < SENTENCE, "{} bytes", text.len());
    }
}

pub(crate) async fn arguments(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let nobody = stage.nobody().await;
    let client = stage.client(&nobody);
    let arguments = json!({"a".repeat(LONG): "x", "namespace": "b".repeat(LONG / 10)});
    let attack = join_all((0..5).map(|_| client.call("pods_list_in_namespace", arguments.clone())));
    for answer in stage.attack(attack).await {
        let text = answer.unwrap_or_else(|error| error.to_string());
        assert!(text.len() < SENTENCE, "{} bytes", text.len());
    }
}

pub(crate) async fn methods(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let nobody = stage.nobody().await;
    let before = stage.log().len();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "m".repeat(LONG), "params": {}}).to_string();
    stage
        .attack(async {
            for _ in 0..5 {
                let url = format!("{}/mcp", stage.host.origin);
                let answer = send("POST", &url, Some(&nobody), &message).await.unwrap();
                assert!(
                    !answer.status.is_server_error() && answer.body.len() < SENTENCE,
                    "{}",
                    answer.status
                );
            }
            let dify = stage.session(&nobody).await;
            dify.post(message.clone(), Some(&nobody)).await.unwrap();
        })
        .await;
    let logged = stage.log().len() - before;
    assert!(logged < 16 << 10, "{logged} bytes of log");
}

pub(crate) async fn paths(case: &'static Case) {
    let stage = Stage::usual(case).await;
    long_path(&stage).await;
}

/// The attack of [`paths`].
pub(crate) async fn long_path(stage: &Stage) {
    let reader = stage.reader().await;
    let client = stage.client(&reader);
    let field = format!("spec.versions.schema.openAPIV3Schema{}", ".not".repeat(60_000));
    let arguments = json!({"kind": "customresourcedefinitions", "field": field});
    let attack = join_all((0..4).map(|_| client.call("resources_explain", arguments.clone())));
    for answer in stage.attack(attack).await {
        let text = answer.unwrap();
        assert!(text.starts_with("ERROR") && text.len() < SENTENCE, "{} bytes", text.len());
    }
}
