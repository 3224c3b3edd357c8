//! Tools in other languages: the examples against the real API server, and the page "Write a tool", executed.
#![allow(missing_docs, clippy::print_stdout, reason = "tests; how long the page takes is worth a line")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{
    accounts,
    cluster::Cluster,
    http::Streamable,
    porthole::{Demo, Porthole, binary, tools},
    prepared,
};
use serde_json::json;

/// Maximum time until a tool is compiled and served; the host gives one file two minutes.
const SERVED: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_read_a_real_cluster() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "tests").await.unwrap();
    let token = accounts::account(&client, "tests", "linguist").await.unwrap();
    accounts::allow(&client, ("tests", "linguist"), None, accounts::reader_rules()).await.unwrap();
    accounts::namespace(&client, "quotas").await.unwrap();
    let quota = json!({"metadata": {"name": "team"}, "spec": {"hard": {"pods": "10", "requests.cpu": "4"}}});
    accounts::create(&client, "/api/v1/namespaces/quotas/resourcequotas", &quota).await.unwrap();
    let status = json!({"status": {"hard": {"pods": "10", "requests.cpu": "4"}, "used": {"pods": "7"}}});
    let patch = http::Request::patch("/api/v1/namespaces/quotas/resourcequotas/team/status")
        .header("content-type", "application/merge-patch+json")
        .body(status.to_string().into_bytes())
        .unwrap();
    let _: serde_json::Value = client.request(patch).await.unwrap();

    let examples = prepared::path("PORTHOLE_EXAMPLES").display().to_string();
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let host = Porthole::with(&["--kubeconfig", &kubeconfig, "--plugins", &examples]).await.unwrap();
    let ready = host.readiness().await.unwrap();
    assert_eq!(ready["failed"], json!([]), "{ready}");
    let agent = Streamable::new(&host.origin, Some(&token));
    let images = agent.call("images_list", json!({"namespace": "shop"})).await.unwrap();
    assert!(
        images.starts_with("IMAGE") && images.contains("registry.example.com/shop/web:1.9.0"),
        "{images}"
    );
    let quotas = agent.call("quota_usage", json!({"namespace": "quotas"})).await.unwrap();
    let rows: Vec<Vec<&str>> = quotas.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [["quotas", "team", "pods", "7", "10"], ["quotas", "team", "requests.cpu", "0", "4"]],
        "{quotas}"
    );
    // A denial by the cluster reaches the model in the API server's words, through either library.
    let nobody = accounts::account(&client, "tests", "linguist-without-rights").await.unwrap();
    let agent = Streamable::new(&host.origin, Some(&nobody));
    for tool in ["images_list", "quota_usage"] {
        let refused = agent.call(tool, json!({})).await.unwrap();
        assert!(refused.starts_with("ERROR: ") && refused.contains("forbidden"), "{tool}: {refused}");
    }
    let mistaken = agent.call("images_list", json!({"nothing": 1})).await.unwrap();
    assert!(mistaken.contains("unknown argument \"nothing\"; it takes namespace"), "{mistaken}");
}

/// Commands below a heading of the page.
fn commands(heading: &str) -> String {
    let page = std::fs::read_to_string(root().join("plugins/README.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect(heading);
    let blocks: Vec<&str> = section.split("\n```").filter_map(|part| part.strip_prefix("sh\n")).collect();
    assert_eq!(blocks.len(), 1, "{heading} has one block");
    blocks[0].to_owned()
}

/// Runs the page's commands in an empty folder, then calls the tool on the host to whose folder they copied it.
async fn written_in(language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::copy(tools().join("namespaces_list.wasm"), plugins.join("namespaces_list.wasm")).unwrap();
    let demo = Demo::with(None, &plugins).await.unwrap();
    let porthole = binary().parent().unwrap().display().to_string();
    let script = commands(&format!("In {language}"));
    let begun = Instant::now();
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        let of_cargo = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_cargo) {
            shell.env_remove(name);
        }
    }
    let output = shell
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{porthole}:{}", std::env::var("PATH").unwrap()))
        .env("PLUGINS", &plugins)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n---\n{said}");
    println!("{language}: {} commands in {:?}", script.trim().lines().count(), begun.elapsed());
    let begun = Instant::now();
    loop {
        let ready = demo.host.readiness().await.unwrap();
        if ready["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "team_keys") {
            break;
        }
        assert!(begun.elapsed() < SERVED, "{ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let agent = Streamable::new(&demo.host.origin, Some(&demo.token("developer")));
    let answer = agent.call("team_keys", json!({"namespace": "shop"})).await.unwrap();
    assert!(answer.starts_with("NAME") && answer.contains("KEYS"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn write_a_tool_in_rust() {
    written_in("Rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_a_tool_in_javascript() {
    written_in("JavaScript").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_a_tool_in_python() {
    written_in("Python").await;
}
