//! Routes of the main port, and their answers to invalid requests.

use std::{path::Path, time::Duration};

use porthole_testbed::{
    cluster::Cluster,
    dify::Dify,
    http::{Streamable, send},
    porthole::{Porthole, audited_calls, tools},
};
use serde_json::json;

use crate::reader;

#[tokio::test(flavor = "multi_thread")]
async fn paths_answer_as_clients_need_it() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let ask = async |method: &str, path: &str, body: &str| {
        send(method, &format!("{}{path}", host.origin), Some(&token), body).await.unwrap()
    };
    assert_eq!(ask("GET", "/healthz", "").await.status, 200);
    let ready = ask("GET", "/readyz", "").await;
    assert_eq!(ready.status, 200);
    // An API server that is slower than a probe's time does not answer, and is asked again later.
    let answers = |ready: &serde_json::Value| ready["apiServer"]["answers"] == true;
    let ready = crate::until_ready(&host, Duration::from_secs(60), "an answer", answers).await;
    assert_eq!(ready["tools"].as_array().unwrap().len(), porthole_testbed::porthole::number_of_tools());
    for path in [
        "/.well-known/oauth-protected-resource/sse",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/register",
        "/sse/.well-known/openid-configuration",
    ] {
        assert_eq!(ask("GET", path, "").await.status, 404, "{path}");
    }
    for method in ["GET", "DELETE"] {
        let none = ask(method, "/mcp", "").await;
        assert_eq!((none.status.as_u16(), none.headers["allow"].to_str().unwrap()), (405, "POST"));
    }
    let unknown = ask("POST", "/messages?sessionId=nope", "{}").await;
    assert_eq!(unknown.status, 404);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let post_sse = ask("POST", "/sse", list).await;
    assert!(
        post_sse.status == 200 && post_sse.body.contains("pods_list"),
        "{} {}",
        post_sse.status,
        post_sse.body
    );
    assert!(post_sse.headers.get("mcp-session-id").is_none());
    // The newest protocol has no handshake; its results are marked as complete.
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    let request = http::Request::post(format!("{}/mcp", host.origin))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "server/discover")
        .body(http_body_util::Full::from(discover.to_string()))
        .unwrap();
    let discovered = porthole_testbed::http::client().request(request).await.unwrap();
    assert_eq!(discovered.status(), 200);
    // The marketplace plugin of older Dify builds /sse/messages.
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.endpoint = format!("/sse{}", dify.endpoint).replace("sessionId", "session_id");
    dify.initialize("2024-11-05").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_newest_revision_says_how_long_it_holds() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}});
        let request = http::Request::post(format!("{}/mcp", host.origin))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .body(http_body_util::Full::from(list.to_string()))
            .unwrap();
        let answer = porthole_testbed::http::client().request(request).await.unwrap().into_body();
        let answer = http_body_util::BodyExt::collect(answer).await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let result = &answer["result"];
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(60_000), &json!("private")),
            "{answer}"
        );
    }
    // Older clients do not get the new fields.
    let old = Streamable::new(&host.origin, Some(&token)).request("tools/list", json!({})).await.unwrap();
    assert!(old.get("ttlMs").is_none() && old.get("cacheScope").is_none(), "{old}");
}

/// A host with its audit log in a file.
async fn audited(cluster: &Cluster, audit: &Path) -> Porthole {
    let [kubeconfig, plugins, audit] =
        [&cluster.kubeconfig, &tools(), audit].map(|path| path.display().to_string());
    Porthole::with(&["--kubeconfig", &kubeconfig, "--plugins", &plugins, "--audit", &audit]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_served_has_its_audit_line_and_its_client() {
    let (cluster, token) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    let host = audited(&cluster, &audit).await;
    let dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let malformed = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"params","arguments":3}}"#
            .to_owned(),
        r#"{"id":2,"method":"tools/call","params":{"name":"version"}}"#.to_owned(),
        format!(
            r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"progress","_meta":{{"progressToken":"{}"}}}}}}"#,
            "x".repeat(257)
        ),
    ];
    for body in &malformed {
        let request = http::Request::post(format!("{}/mcp", host.origin))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("user-agent", "an-agent/1.0")
            .body(http_body_util::Full::from(body.clone()))
            .unwrap();
        porthole_testbed::http::client().request(request).await.unwrap();
        dify.post(body.clone(), Some(&token)).await.unwrap();
    }
    let lines = || std::fs::read_to_string(&audit).unwrap_or_default();
    crate::until("six lines", 60, || audited_calls(&lines()).len() == 6).await;
    for name in ["params", "version", "progress"] {
        for client in ["an-agent/1.0", "python-httpx/0.28.1"] {
            let line = format!("\"client\":\"{client}\",\"tool\":\"{name}\"");
            let found =
                lines().lines().filter(|text| text.contains(&line) && text.contains("\"malformed\"")).count();
            assert_eq!(found, 1, "{line} in {}", lines());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cancelled_at_once_each_have_their_audit_line() {
    let (cluster, token) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    let host = audited(&cluster, &audit).await;
    for _ in 0..10 {
        let dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
        for id in 0..10 {
            let call =
                json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "pods_list"}});
            let cancel =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
            dify.post(call.to_string(), Some(&token)).await.unwrap();
            dify.post(cancel.to_string(), Some(&token)).await.unwrap();
        }
    }
    let lines = || audited_calls(&std::fs::read_to_string(&audit).unwrap_or_default()).len();
    crate::until("a line for each of a hundred calls", 60, || lines() == 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_gets_nothing() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        for path in ["/mcp", "/sse", "/readyz"] {
            let request = http::Request::get(format!("{}{path}", host.origin))
                .header("authorization", format!("Bearer {token}"))
                .header(name, value)
                .body(http_body_util::Full::default())
                .unwrap();
            let answer = porthole_testbed::http::client().request(request).await.unwrap();
            assert_eq!(answer.status(), 403, "{path} {name}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_the_host_starts_and_says_so() {
    let cluster = Cluster::for_tests();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // Port 1 has no listener.
    let text =
        std::fs::read_to_string(&cluster.kubeconfig).unwrap().replace(&cluster.url, "https://127.0.0.1:1");
    std::fs::write(&kubeconfig, text).unwrap();
    let plugins = tools();
    let host = Porthole::with(&[
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--plugins",
        plugins.to_str().unwrap(),
    ])
    .await
    .unwrap();
    let readiness = host.readiness().await.unwrap();
    assert_eq!(
        (&readiness["ready"], &readiness["apiServer"]["answers"]),
        (&json!(true), &json!(false)),
        "{readiness}"
    );
    let refused =
        Streamable::new(&host.origin, Some("some-token")).request("tools/list", json!({})).await.unwrap_err();
    assert!(
        refused.to_string().contains("503") && refused.to_string().contains("did not answer"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_on_the_command_line_is_explained() {
    let refused = |options: &[&str]| {
        let output =
            std::process::Command::new(porthole_testbed::porthole::binary()).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = refused(&["serve", "--kubeconfig", "/no/such/file"]);
    assert!(missing.contains("/no/such/file"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yaml");
    std::fs::write(&config, "limits: {timeout: soon}\n").unwrap();
    let config = refused(&["config", "check", config.to_str().unwrap()]);
    assert!(config.contains("soon") && config.contains("30s"), "{config}");
    let help = std::process::Command::new(porthole_testbed::porthole::binary())
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for option in [
        "--listen",
        "--admin-listen",
        "--plugins",
        "--config",
        "--kubeconfig",
        "--context",
        "--identity",
        "--shared-token-file",
        "--allow-host",
        "--tls-cert",
        "--tls-key",
        "--stdio",
        "Examples:",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_served_with_a_certificate_of_ones_own() {
    let (cluster, token) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::copy(cluster.folder.join("server.crt"), &cert).unwrap();
    std::fs::copy(cluster.folder.join("server.key"), &key).unwrap();
    let ca = cluster.folder.join("ca.crt");
    let plugins = tools();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let options = [
        "--kubeconfig",
        &path(&cluster.kubeconfig),
        "--plugins",
        &path(&plugins),
        "--tls-cert",
        &path(&cert),
        "--tls-key",
        &path(&key),
    ];
    let host = Porthole::with(&options).await.unwrap();
    assert!(host.origin.starts_with("https://"), "{}", host.origin);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let ask = |ca: &Path| {
        let output = std::process::Command::new("curl")
            .args(["-sS", "--max-time", "20", "--cacert", &path(ca)])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(["-H", "Content-Type: application/json", "-d", list, &format!("{}/mcp", host.origin)])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = ask(&ca);
    assert!(said.contains("pods_list"), "{said}");
    // Renewed by another authority: reloaded without a restart.
    let renewed = porthole_testbed::pki::Pki::make(folder.path()).unwrap();
    std::fs::copy(&renewed.server.0, &cert).unwrap();
    std::fs::copy(&renewed.server.1, &key).unwrap();
    let begun = std::time::Instant::now();
    while !ask(&renewed.ca).contains("pods_list") {
        assert!(begun.elapsed().as_secs() < 30, "the new certificate is not taken up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!ask(&ca).contains("pods_list"), "the old one is still served");
}
