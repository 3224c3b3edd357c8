//! Audit log: required and forbidden contents.

use futures::future::join_all;
use porthole_testbed::{hostile_api::HostileApi, http::send};
use serde_json::{Value, json};

use crate::{
    Case,
    stage::{PATIENCE, Setting, Stage},
};

pub(crate) async fn tokens(case: &'static Case) {
    const OWN: &str = "opaque-7c1f09a2b6e84d53";
    const FOREIGN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLWl0";
    let api = HostileApi::start(|_| None).await.unwrap();
    let stage =
        Stage::set(case, Setting { kubeconfig: Some(api.kubeconfig.clone()), ..Setting::default() }).await;
    let client = stage.client(OWN);
    let mut named = json!({"namespace": "default"});
    named[OWN] = "x".into();
    named[FOREIGN] = "x".into();
    let calls = [
        ("pods_list_in_namespace", json!({"namespace": OWN})),
        ("pods_list_in_namespace", json!({"namespace": format!("x {OWN}")})),
        ("pods_list_in_namespace", named),
        ("resources_get", json!({"kind": "pods", "name": format!("({FOREIGN})"), "namespace": "default"})),
        (
            "resources_get",
            json!({"kind": "pods", "name": format!("Bearer%20{FOREIGN}"), "namespace": "default"}),
        ),
        (
            "resources_get",
            json!({"kind": "pods", "name": format!("x/{FOREIGN}"), "passwd": "pa55-one", "pw": "pa55-two", "pwd": "pa55-three"}),
        ),
        (OWN, json!({})),
        (FOREIGN, json!({})),
    ];
    let count = calls.len();
    stage
        .attack(async {
            for (tool, arguments) in calls {
                let _ = client.call(tool, arguments).await;
            }
        })
        .await;
    let lines = stage.audit().await;
    let own = lines.iter().filter(|line| line["tool"] != "api_resources_list").count();
    assert_eq!(own, count, "a line each");
    let text =
        lines.iter().map(Value::to_string).collect::<String>() + &String::from_utf8_lossy(&stage.log());
    for secret in [OWN, &FOREIGN[..20], "pa55"] {
        let at =
            text.find(secret).map(|at| text[at.saturating_sub(200)..].chars().take(400).collect::<String>());
        assert!(at.is_none(), "{secret} stands in the audit or the log: {at:?}");
    }
}

pub(crate) async fn lines(case: &'static Case) {
    let stage = Stage::set(case, Setting { guests: &["curious", "versioned"], ..Setting::default() }).await;
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces", "pods", "secrets"], "verbs": ["get", "list"]}]);
    let token = stage.account("audited", rules).await;
    let url = format!("{}/mcp", stage.host.origin);
    let count = |what: &str| {
        let lines = stage.audit_so_far();
        let own = lines
            .iter()
            .filter(|line| line["caller"].as_str().is_some_and(|caller| caller.ends_with(":audited")));
        own.filter(|line| what.is_empty() || line["tool"] == what).count()
    };
    let mut session = stage.session(&token).await;
    stage
        .attack(async {
            for params in [r#"{"name":5}"#, "[]", r#"{"name":"pods_list","arguments":"x"}"#] {
                let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
                send("POST", &url, Some(&token), &body).await.unwrap();
            }
            // The audit thread writes lines asynchronously.
            let begun = std::time::Instant::now();
            while count("") < 3 {
                assert!(begun.elapsed() < PATIENCE, "{} of 3 malformed calls have a line", count(""));
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            // Cancelled as soon as they are sent.
            let calls = (0..50).map(|id| json!({"jsonrpc": "2.0", "id": id + 100, "method": "tools/call", "params": {"name": "versioned", "arguments": {"wait": 2000}}}).to_string());
            let cancels = (0..50).map(|id| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id + 100}}).to_string());
            for (call, cancel) in calls.zip(cancels) {
                join_all([session.post(call, Some(&token)), session.post(cancel, Some(&token))]).await;
            }
            assert!(session.exchange("ping", None).await.unwrap().get("result").is_some());
            let begun = std::time::Instant::now();
            while count("versioned") < 50 {
                assert!(begun.elapsed() < PATIENCE, "{} of 50 cancelled calls have a line", count("versioned"));
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            stage.client(&token).call("curious", json!({"what": "decoys"})).await.unwrap();
        })
        .await;
    let lines = stage.audit().await;
    let decoys = lines.iter().find(|line| line["tool"] == "curious").unwrap().to_string();
    assert!(decoys.contains("secrets"), "the list of Secrets is hidden behind decoys: {decoys}");
    let agents = lines
        .iter()
        .filter(|line| line["client"].as_str().is_some_and(|client| client.starts_with("rmcp")))
        .count();
    assert_eq!(agents, 0, "clients of /mcp are not called rmcp");
}
