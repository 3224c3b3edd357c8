//! `porthole serve --demo`: its output, its accounts, and custom manifests.

use std::{path::Path, process::Command};

use porthole_testbed::{
    dify::Dify,
    http::Streamable,
    porthole::{Demo, binary, tools},
};
use serde_json::json;

use crate::reader;

#[tokio::test(flavor = "multi_thread")]
async fn each_account_reads_through_porthole_what_it_may() {
    let demo = Demo::start(None).await.unwrap();
    let origin = demo.host.origin.clone();
    let crash = json!({"name": "cart-5b8f7d9c64-mz7wl", "namespace": "shop", "previous": true});
    for account in ["admin", "developer"] {
        let log = Dify::visit(&origin, Some(&demo.token(account)), "pods_log", crash.clone()).await.unwrap();
        assert!(log.contains("no such host"), "{account}: {log}");
    }
    let refused = |text: String, who: &str| {
        assert!(text.starts_with("ERROR: forbidden: ") && text.contains(who), "{text}");
    };
    let developer = Streamable::new(&origin, Some(&demo.token("developer")));
    let other = developer.call("pods_list_in_namespace", json!({"namespace": "payments"})).await.unwrap();
    refused(other, "system:serviceaccount:shop:developer");
    let nobody = Streamable::new(&origin, Some(&demo.token("nobody")));
    refused(
        nobody.call("pods_log", crash).await.unwrap_or_default(),
        "system:serviceaccount:mcp-tools:nobody",
    );
    let stranger = Streamable::new(&origin, Some("nonsense")).request("tools/list", json!({})).await;
    assert!(stranger.unwrap_err().to_string().contains("401"));
    for word in ["/sse", "/mcp", "Dify", "claude mcp add", "curl", "reads namespace shop", "may read nothing"]
    {
        assert!(demo.printed.contains(word), "no {word:?} in {}", demo.printed);
    }
}

/// Only the owner may read the file with the admin's token.
#[tokio::test(flavor = "multi_thread")]
async fn the_kubeconfig_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let demo = Demo::start(None).await.unwrap();
    let mode = std::fs::metadata(&demo.kubeconfig).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Serves the output of `kubectl get … -o yaml` of the real cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_a_real_clusters_manifests_is_served() {
    let (cluster, _) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let dump = |kinds: &str, file: &str| {
        let kubectl = Command::new(&cluster.kubectl)
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .args(["get", kinds, "-n", "shop", "-o", "yaml"])
            .output()
            .unwrap();
        assert!(kubectl.status.success(), "{}", String::from_utf8_lossy(&kubectl.stderr));
        std::fs::write(folder.path().join(file), kubectl.stdout).unwrap();
    };
    dump("pods,deployments,services,events,configmaps", "shop.yaml");
    dump("nodes", "nodes.yml");
    std::fs::write(
        folder.path().join("widget.json"),
        r#"{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "left", "namespace": "toys"}, "spec": {"size": 3}}"#,
    )
    .unwrap();
    let logs = folder.path().join("logs/shop/checkout-84c6f5d79b-p6j4s");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("checkout.log"), "one\ntwo\nthree\n").unwrap();
    let demo = Demo::start(Some(folder.path())).await.unwrap();
    let admin = Streamable::new(&demo.host.origin, Some(&demo.token("admin")));
    for (tool, arguments, expected) in [
        (
            "pods_list_in_namespace",
            json!({"namespace": "shop"}),
            vec!["cart-5b8f7d9c64-mz7wl", "CrashLoopBackOff"],
        ),
        ("deployments_list", json!({}), vec!["web", "ProgressDeadlineExceeded"]),
        ("nodes_list", json!({}), vec!["node-3", "DiskPressure"]),
        (
            "pods_log",
            json!({"name": "checkout-84c6f5d79b-p6j4s", "namespace": "shop", "tail": 2}),
            vec!["two\nthree"],
        ),
        ("resources_get", json!({"kind": "widget", "name": "left", "namespace": "toys"}), vec!["size: 3"]),
        ("namespaces_list", json!({}), vec!["shop", "toys"]),
    ] {
        let text = admin.call(tool, arguments.clone()).await.unwrap();
        for part in expected {
            assert!(text.contains(part), "{tool} {arguments}: no {part:?} in\n{text}");
        }
    }
}

fn refused(folder: &Path) -> String {
    let plugins = tools();
    let output = Command::new(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--plugins"])
        .arg(plugins)
        .arg("--demo")
        .arg(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_manifest_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path()).contains("no *.yaml, *.yml or *.json file in it"));
    let good = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    std::fs::write(folder.path().join("good.yaml"), good).unwrap();
    std::fs::write(folder.path().join("bad.yaml"), format!("{good}---\n{good}spec:\n  containers: [\n"))
        .unwrap();
    let said = refused(folder.path());
    assert!(said.contains("bad.yaml, line 9"), "{said}");
    std::fs::write(folder.path().join("bad.yaml"), format!("{good}---\nkind: Pod\nmetadata: {{name: b}}\n"))
        .unwrap();
    let said = refused(folder.path());
    assert!(
        said.contains("bad.yaml, line 5: this is not a Kubernetes object: it has no apiVersion"),
        "{said}"
    );
    assert!(refused(&folder.path().join("nowhere")).contains("nowhere"));
}
