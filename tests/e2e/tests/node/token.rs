//! A token that expires while Dify visits.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use porthole_testbed::{accounts, node::Node, pki};
use serde_json::{Value, json};

use crate::{deployed::Deployed, twin::Twin, visits::Allowed};

/// Time for which the token is valid: the first answers to it must come within.
const VALID: Duration = Duration::from_secs(30);
/// Time for which an API server accepts a token beyond its end: clocks may differ by as much.
const LEEWAY: Duration = Duration::from_secs(60);
/// Time for which an API server remembers that a token was valid.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Time between the start of the last visit that is answered and the read for which its token is checked.
const SLACK: Duration = Duration::from_secs(5);
/// Answers to an expired token: to a visit, as HTTP status; of a tool; on the stream of a session.
const EXPIRED: &[&str] = &[
    "401 Unauthorized",
    "unauthorized: the cluster no longer accepts this token",
    "the cluster does not accept this token",
];

/// Token of the reader that the API server accepts for this time, signed with the cluster's own key: TokenRequest makes none
/// for less than ten minutes.
fn token(node: &Node, valid: Duration) -> String {
    let account =
        node.kubectl(&["get", "serviceaccount", "-n", "mcp-tools", "k8s-mcp-server-sa", "-o", "json"]);
    let account: Value = serde_json::from_str(&account.unwrap()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = json!({
        "iss": "https://kubernetes.default.svc",
        "aud": ["https://kubernetes.default.svc"],
        "sub": "system:serviceaccount:mcp-tools:k8s-mcp-server-sa",
        "iat": (now - Duration::from_secs(600)).as_secs(),
        "nbf": (now - Duration::from_secs(600)).as_secs(),
        "exp": (now + valid - LEEWAY).as_secs(),
        "kubernetes.io": {
            "namespace": "mcp-tools",
            "serviceaccount": {"name": "k8s-mcp-server-sa", "uid": account["metadata"]["uid"]},
        },
    });
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "ES256", "typ": "JWT"})), part(&claims));
    let signature = pki::sign(&node.folder().join("pki/tokens.key"), signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
    accounts::remember(&token);
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_told_so_in_visits_and_in_open_sessions() {
    let deployed = Deployed::get().await;
    // A host of its own: wrong tokens of an address are counted.
    let twin = Twin::create(&deployed.node, "expiring", 1, |_| ()).await;
    // Opens the door, so that the token's time is not spent with waiting.
    twin.visits(&twin.door(&deployed.token)).await.end().await;
    let begun = Instant::now();
    let visits = twin.visits(&twin.door(&token(&deployed.node, VALID))).await;
    visits.told(100).await;
    let report = visits.end().await;
    // Seconds of the claims are whole.
    let from = begun + VALID - Duration::from_secs(2);
    let told = vec![(from..Instant::now(), EXPIRED)];
    report.judge("a token that expires", &Allowed { told, ..Allowed::default() });
    let last = report.last_answered_start();
    assert!(
        last < begun + VALID + REMEMBERED + SLACK,
        "asked {:?} after the token was made, and answered",
        last - begun
    );
}
