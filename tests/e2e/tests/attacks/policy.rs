//! Denied kinds, declared reads, and hostile data of the cluster.

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use porthole_testbed::{accounts, hostile_api::HostileApi, http::send, porthole::binary};
use serde_json::json;

use crate::{
    Case,
    stage::{NAMESPACE, Setting, Stage},
};

/// Namespace of the bombs, apart from other tests that list Secrets.
const BOMBS: &str = "attacks-helm";

pub(crate) async fn denied(case: &'static Case) {
    // A word that cannot be the name of a kind is rejected by the check.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("porthole.yaml");
    for mistake in ["denied: [\"\"]", "denied: [a b]", "denied: [deployments.]"] {
        std::fs::write(&file, mistake).unwrap();
        let checked =
            std::process::Command::new(binary()).args(["config", "check"]).arg(&file).output().unwrap();
        assert_eq!(checked.status.code(), Some(2), "{mistake}");
    }
    let config = "denied: [secret, deployments, deployments.v1.apps]\n";
    let stage = Stage::set(case, Setting { config, ..Setting::default() }).await;
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    let auditor = stage.account("auditor", rules).await;
    let client = stage.client(&auditor);
    let calls = [
        ("resources_get", json!({"kind": "Secret", "name": "cart-db", "namespace": "shop"})),
        ("resources_list", json!({"kind": "secrets", "namespace": "shop"})),
        ("resources_list", json!({"kind": "deploy", "namespace": "shop"})),
        ("deployments_list", json!({"namespace": "shop"})),
        ("helm_list", json!({})),
    ];
    stage
        .attack(async {
            for (tool, arguments) in calls {
                let text = client.call(tool, arguments.clone()).await.unwrap();
                assert!(
                    text.starts_with("ERROR") && text.contains("not allowed"),
                    "{tool} {arguments}: {text}"
                );
            }
            let pods = client.call("pods_list_in_namespace", json!({"namespace": "shop"})).await.unwrap();
            assert!(!pods.starts_with("ERROR"), "{pods}");
        })
        .await;
}

pub(crate) async fn helm_bombs(case: &'static Case) {
    let stage = Stage::set(case, Setting { config: "limits: {timeout: 4s}\n", ..Setting::default() }).await;
    unpack(&stage).await;
    stage.assert_grown_less_than(256);
}

/// The attack of [`helm_bombs`].
pub(crate) async fn unpack(stage: &Stage) {
    let admin = stage.cluster.admin().await.unwrap();
    accounts::namespace(&admin, BOMBS).await.unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(br#"{"info":{},"manifest":""#).unwrap();
    for _ in 0..63 {
        gzip.write_all(&[b' '; 1 << 20]).unwrap();
    }
    gzip.write_all(br#""}"#).unwrap();
    let packed = BASE64_STANDARD.encode(BASE64_STANDARD.encode(gzip.finish().unwrap()));
    let path = format!("/api/v1/namespaces/{BOMBS}/secrets");
    let secret = |n: usize| {
        let name = format!("bomb-{n}");
        json!({"metadata": {"name": format!("sh.helm.release.v1.{name}.v1"), "labels": {"owner": "helm", "name": name, "status": "deployed", "version": "1"}},
            "type": "helm.sh/release.v1", "data": {"release": packed}})
    };
    stream::iter(0..60)
        .map(|n| {
            let (admin, path, secret) = (&admin, &path, secret(n));
            async move { accounts::create(admin, path, &secret).await }
        })
        .buffer_unordered(8)
        .try_collect::<()>()
        .await
        .unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]);
    let token = stage.account("helm", rules).await;
    let client = stage.client(&token);
    let attack = join_all((0..4).map(|_| client.call("helm_list", json!({"namespace": BOMBS}))));
    for answer in stage.attack(attack).await {
        answer.unwrap();
    }
    accounts::send(&admin, "DELETE", &path, &json!({})).await.unwrap();
}

pub(crate) async fn near_namespaces(case: &'static Case) {
    let stage = Stage::set(case, Setting { guests: &["curious"], ..Setting::default() }).await;
    let reader = stage.reader().await;
    let client = stage.client(&reader);
    let text = stage.attack(client.call("curious", json!({"what": "misspelt"}))).await.unwrap();
    let word = format!("{NAMESPACE:?}");
    let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    assert!(
        text.contains("attackz") && names.into_iter().all(|name| name != NAMESPACE) && !text.contains(&word),
        "{text}"
    );
    // A tool that declares namespaces still suggests names.
    let text = client.call("namespaces_list", json!({})).await.unwrap();
    assert!(text.contains(NAMESPACE), "{text}");
}

pub(crate) async fn paths(case: &'static Case) {
    let api = HostileApi::start(|path| {
        let resource = |plural: &str, kind: &str| {
            json!({"resource": plural, "responseKind": {"group": "", "version": "v1", "kind": kind}, "scope": "Namespaced",
                "singularResource": kind.to_lowercase(), "verbs": ["get", "list"]})
        };
        (path == "/apis").then(|| {
            let resources = [resource("x/../secrets", "Trap"), resource("..", "Dots"), resource("a?b=c", "Query"), resource("fine", "Fine")];
            let groups = json!([{"metadata": {"name": "evil.example"}, "versions": [{"version": "v1", "resources": resources}]},
                {"metadata": {"name": "../../api"}, "versions": [{"version": "v1", "resources": [resource("secrets", "Escape")]}]},
                {"metadata": {"name": "up.example"}, "versions": [{"version": "../v1", "resources": [resource("secrets", "Upward")]}]}]);
            (200, json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups}).to_string())
        })
    })
    .await
    .unwrap();
    let stage =
        Stage::set(case, Setting { kubeconfig: Some(api.kubeconfig.clone()), ..Setting::default() }).await;
    let client = stage.client("opaque-attacker-0123456789");
    stage
        .attack(async {
            for kind in ["Trap", "Dots", "Query", "Escape", "Upward"] {
                let list = client
                    .call("resources_list", json!({"kind": kind, "namespace": "default"}))
                    .await
                    .unwrap();
                assert!(list.starts_with("ERROR"), "{kind}: {list}");
                let get = client
                    .call("resources_get", json!({"kind": kind, "namespace": "default", "name": "x"}))
                    .await
                    .unwrap();
                assert!(get.starts_with("ERROR"), "{kind}: {get}");
            }
            for name in ["http:node-1:2379", "https:node-1:10250", "node-1:10250", "..", "a/b"] {
                let log = client.call("nodes_log", json!({"name": name, "query": "kubelet"})).await.unwrap();
                assert!(log.starts_with("ERROR"), "{name}: {log}");
            }
        })
        .await;
    let seen = api.seen();
    let bad = |path: &&String| {
        path.contains("..")
            || path.contains("%3A")
            || path.contains("nodes/") && path.contains(':')
            || path.contains("a?b=c")
    };
    let sent: Vec<&String> = seen.iter().filter(bad).collect();
    assert!(sent.is_empty(), "{sent:?}");
}

pub(crate) async fn bad_tokens(case: &'static Case) {
    const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    static REFUSING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let api = HostileApi::start(|path| {
        let refused = path == REVIEWS && REFUSING.load(std::sync::atomic::Ordering::Relaxed);
        refused.then(|| {
            (401, r#"{"kind":"Status","status":"Failure","reason":"Unauthorized","code":401}"#.into())
        })
    })
    .await
    .unwrap();
    let stage =
        Stage::set(case, Setting { kubeconfig: Some(api.kubeconfig.clone()), ..Setting::default() }).await;
    REFUSING.store(true, std::sync::atomic::Ordering::Relaxed);
    let reviews = || api.seen().iter().filter(|path| *path == REVIEWS).count();
    let before = reviews();
    let url = format!("{}/mcp", stage.host.origin);
    stage
        .attack(async {
            for _ in 0..60 {
                let answer = send("POST", &url, Some("refused-token-0123456789"), "{}").await.unwrap();
                assert!(matches!(answer.status.as_u16(), 401 | 429), "{}", answer.status);
            }
        })
        .await;
    let asked = reviews() - before;
    assert!(asked <= 6, "{asked} reviews for one bad token");
}
