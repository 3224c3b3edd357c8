//! An API server that asks to wait.

use futures::future::join_all;
use porthole_testbed::hostile_api::HostileApi;
use serde_json::json;

use crate::{
    Case,
    stage::{Setting, Stage},
};

/// Calls at once, of one caller.
const CALLS: usize = 16;

pub(crate) async fn waits(case: &'static Case) {
    let api = HostileApi::start(|path| {
        let seconds = match path.split('?').next().unwrap_or(path) {
            "/api/v1/pods" => json!(1),
            "/api/v1/secrets" => json!(0),
            "/api/v1/configmaps" => json!(99_999_999_999_u64),
            "/api/v1/namespaces/shop/pods" => json!(-1),
            _ => return None,
        };
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": 429,
            "message": "too many requests", "details": {"retryAfterSeconds": seconds}});
        Some((429, status.to_string()))
    })
    .await
    .unwrap();
    let setting = Setting { kubeconfig: Some(api.kubeconfig.clone()), ..Setting::default() };
    let stage = Stage::set(case, setting).await;
    let client = stage.client("opaque-attacker-0123456789");
    let kinds = [
        json!({"kind": "pods"}),
        json!({"kind": "secrets"}),
        json!({"kind": "configmaps"}),
        json!({"kind": "pods", "namespace": "shop"}),
    ];
    let calls = (0..CALLS).map(|n| client.call("resources_list", kinds[n % kinds.len()].clone()));
    for answer in stage.attack(join_all(calls)).await {
        let text = answer.unwrap();
        assert!(text.starts_with("ERROR") && text.contains("asks to wait"), "{text}");
    }
    let asked = api
        .seen()
        .iter()
        .filter(|path| path.contains("/pods") || path.contains("/secrets") || path.contains("/configmaps"))
        .count();
    // Three tries a read at most, however short or odd the wait.
    assert!((CALLS..=3 * CALLS).contains(&asked), "{asked} requests for {CALLS} calls");
}
