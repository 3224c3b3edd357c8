//! Commands for authors and operators: `porthole plugin`, `porthole rbac`; and the audit log.

use std::{path::Path, process::Output};

use porthole_testbed::{
    accounts,
    cluster::Cluster,
    dify::Dify,
    http::Streamable,
    porthole::{Demo, Porthole, audited_calls, binary, guest, tools},
};
use serde_json::{Value, json};

use crate::{reader, until};

/// Runs the binary to its end: (exit code, stdout, stderr).
fn porthole(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        std::process::Command::new(binary()).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

#[test]
fn inspect_shows_what_a_tool_is_imports_and_reads() {
    let (code, shown, _) = porthole(&["plugin", "inspect", path(&tools().join("pods_log.wasm"))]);
    assert_eq!(code, Some(0), "{shown}");
    for expected in [
        "name      pods_log\n",
        "digest    sha256:",
        "imports, needed: the contract\n",
        "  porthole:tool/kube-read@0.1.0\n",
        "imports, empty",
        "  name (string): ",
        "  previous (boolean): ",
        "- apiGroups: [\"\"]\n    resources: [pods, replicationcontrollers, services]\n    verbs: [get, list]\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in {shown}");
    }
    assert!(!shown.contains("refused"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sockets.wasm");
    let component = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    std::fs::write(&file, wat::parse_str(component).unwrap()).unwrap();
    let (code, shown, _) = porthole(&["plugin", "inspect", path(&file)]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("refused: the host does not serve it\n  wasi:sockets/tcp@0.2.0"), "{shown}");
}

#[test]
fn check_says_what_the_host_would_and_what_to_mend() {
    let (code, said, _) = porthole(&["plugin", "check", path(&tools().join("pods_list.wasm"))]);
    assert_eq!((code, said.lines().count()), (Some(0), 1), "our own tools need no advice: {said}");
    let (code, said, _) = porthole(&["plugin", "check", path(&tools().join("resources_list.wasm"))]);
    assert!(code == Some(0) && said.contains("advice: it declares resources \"*\""), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.wasm");
    std::fs::write(&file, wat::parse_str("(component)").unwrap()).unwrap();
    let (code, said, _) = porthole(&["plugin", "check", path(&file)]);
    assert!(code == Some(1) && said.contains("would not be served: it is not a tool"), "{said}");
    let (code, checked, said) = porthole(&["plugin", "check", "nowhere.wasm", path(&file)]);
    assert!(code == Some(2) && said.contains("nowhere.wasm"), "{said}");
    assert!(checked.contains("would not be served"), "the other file is checked too: {checked}");
}

#[test]
fn call_shows_the_answer_and_what_it_took() {
    let tool = tools().join("pods_list_in_namespace.wasm");
    let cluster = Cluster::for_tests();
    for place in [vec!["--demo"], vec!["--kubeconfig", path(&cluster.kubeconfig)]] {
        let mut arguments = vec!["plugin", "call", path(&tool), "--args", r#"{"namespace": "shop"}"#];
        arguments.extend(place);
        let (code, answer, took) = porthole(&arguments);
        assert_eq!(code, Some(0), "{answer}{took}");
        assert!(answer.starts_with("9 pods: ") && answer.contains("CrashLoopBackOff"), "{answer}");
        assert!(took.contains("read      list pods in shop, 1 times"), "{took}");
        assert!(took.contains("inside the component") && took.contains("of memory"), "{took}");
    }
    let (code, answer, _) = porthole(&["plugin", "call", path(&tool), "--demo", "--args", r#"{"nope": 1}"#]);
    assert!(code == Some(1) && answer.contains("unknown argument"), "{answer}");
    let (code, _, said) = porthole(&["plugin", "call", path(&tool), "--demo", "--args", "[]"]);
    assert!(code == Some(2) && said.contains("not a JSON object"), "{said}");
}

/// Grants the printed role to an account: every tool must work, except those that need more than the role grants.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_rbac_prints_is_enough_and_not_more() {
    let cluster = Cluster::for_tests();
    let (code, yaml, _) =
        porthole(&["rbac", "--name", "printed-role", "--with", "nodes,helm", "--plugins", path(&tools())]);
    assert_eq!(code, Some(0), "{yaml}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &yaml).unwrap();
    let applied = std::process::Command::new(&cluster.kubectl)
        .args([
            "--kubeconfig",
            path(&cluster.kubeconfig),
            "apply",
            "--warnings-as-errors",
            "-f",
            path(file.path()),
        ])
        .output()
        .unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert_eq!(String::from_utf8_lossy(&applied.stdout).lines().count(), 3, "the role and two beside it");
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "tests").await.unwrap();
    let token = accounts::account(&client, "tests", "printed").await.unwrap();
    let binding = json!({"metadata": {"name": "printed"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "printed-role"},
        "subjects": [{"kind": "ServiceAccount", "name": "printed", "namespace": "tests"}]});
    accounts::create(&client, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding)
        .await
        .unwrap();
    let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]);
    accounts::until_allowed(&client, ("tests", "printed"), None, &pods).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let agent = Streamable::new(&host.origin, Some(&token));
    for (tool, arguments) in [
        ("pods_list", json!({})),
        ("pods_log", json!({"name": "web-6d4f9c7b8d-k8pq2", "namespace": "shop", "tail": 1})),
        ("pods_top", json!({})),
        ("nodes_top", json!({})),
        ("events_list", json!({})),
        ("deployments_list", json!({})),
        ("resources_list", json!({"kind": "ingresses"})),
    ] {
        let answer = agent.call(tool, arguments).await.unwrap();
        assert!(!answer.contains("forbidden"), "{tool}: {answer}");
    }
    let secrets =
        agent.call("resources_list", json!({"kind": "secrets", "namespace": "shop"})).await.unwrap();
    assert!(secrets.starts_with("ERROR: ") && secrets.contains("forbidden"), "{secrets}");
}

/// Waits for the audit lines of a number of calls.
async fn lines(file: &Path, count: usize) -> Vec<Value> {
    let read = || audited_calls(&std::fs::read_to_string(file).unwrap());
    until("the audit lines", 60, || read().len() >= count).await;
    read()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_one_line_of_the_audit_log() {
    let (cluster, token) = reader().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let (plugins, kubeconfig) = (tools(), cluster.kubeconfig.clone());
    let options = ["--kubeconfig", path(&kubeconfig), "--plugins", path(&plugins), "--audit", path(&file)];
    let host = Porthole::with(&options).await.unwrap();
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let pods = dify.call("pods_list_in_namespace", json!({"namespace": "shop"})).await.unwrap();
    let agent = Streamable::new(&host.origin, Some(&token));
    // Not the caller's own token: the most verbose log of a library contains arguments unredacted.
    let mistaken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIG1vZGVsIn0.c2ln";
    agent.call("pods_get", json!({"name": mistaken, "namespace": "shop"})).await.unwrap();
    agent.call("pods_exec", json!({"password": "hunter2"})).await.unwrap();
    agent.call("pods_list", json!({"labelSelector": 5, "nothing": "here"})).await.unwrap();
    let lines = lines(&file, 4).await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    let first = &lines[0];
    for (field, expected) in [
        ("caller", json!("system:serviceaccount:tests:reader")),
        ("client", json!("Dify 1.9.0")),
        ("tool", json!("pods_list_in_namespace")),
        ("arguments", json!({"namespace": "shop"})),
        ("verdict", json!("ok")),
        ("bytesOut", json!(pods.len())),
    ] {
        assert_eq!(first[field], expected, "{field} of {first}");
    }
    let read = &first["reads"][0];
    assert_eq!(
        (&read["verb"], &read["resource"], &read["namespace"]),
        (&json!("list"), &json!("pods"), &json!("shop"))
    );
    assert!(read["bytes"].as_u64() > Some(500) && first["readBytes"].as_u64() > Some(500), "{first}");
    assert_eq!(first["digest"].as_str().unwrap().len(), 64);
    assert!(first["audit"].as_str().unwrap().starts_with("20") && first["ms"].is_u64(), "{first}");
    let verdicts: Vec<&Value> = lines.iter().map(|line| &line["verdict"]).collect();
    assert_eq!(verdicts, ["ok", "error", "unknown", "arguments"]);
    assert_eq!(lines[1]["arguments"]["name"], "<redacted>", "a token that a model took for a name");
    assert_eq!(lines[2]["arguments"]["password"], "<redacted>");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&token) && !text.contains(mistaken) && !text.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_told_in_the_audit_log_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(guest("versioned"), folder.path().join("versioned.wasm")).unwrap();
    let demo = Demo::with(None, folder.path()).await.unwrap();
    let token = demo.token("admin");
    let mut dify = Dify::connect(&demo.host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let params = json!({"name": "versioned", "arguments": {"wait": 20_000}, "_meta": {"progressToken": 1}});
    let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params});
    dify.post(message.to_string(), Some(&token)).await.unwrap();
    // A progress notification: the call is in progress.
    dify.message().await.unwrap();
    drop(dify);
    // Without --audit the lines are on stderr, with the log.
    let log = || std::fs::read_to_string(&demo.host.log).unwrap();
    until("the line of a call without an end", 15, || log().contains("\"verdict\":\"left\"")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_audit_lines_is_on_the_stream_of_the_audit() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let agent = Streamable::new(&host.origin, Some(&token));
    let forged = "x\n{\"audit\":\"2026\",\"caller\":\"somebody else\"}\r\u{1b}[2J";
    agent.call(forged, json!({forged: forged, "namespace": token})).await.unwrap();
    agent.call("pods_list_in_namespace", json!({"namespace": forged})).await.unwrap();
    until("the audit lines", 60, || audited_calls(&host.printed().unwrap()).len() >= 2).await;
    let printed = host.printed().unwrap();
    let lines = audited_calls(&printed);
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines.iter().all(|line| line["caller"] == "system:serviceaccount:tests:reader"), "{printed}");
    assert_eq!(lines[0]["arguments"]["namespace"], "<redacted>", "the caller's own token");
    let log = std::fs::read_to_string(&host.log).unwrap();
    assert!(!log.lines().any(|line| line.starts_with("{\"audit\"")), "a forged line in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_made_without_its_audit_line_unless_the_operator_says_so() {
    let (cluster, token) = reader().await;
    let (plugins, kubeconfig) = (tools(), cluster.kubeconfig.clone());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("porthole.yaml");
    for (on_failure, refused) in [("refuse", true), ("drop", false)] {
        std::fs::write(&config, format!("audit: {{onFailure: {on_failure}}}\n")).unwrap();
        let options =
            ["--kubeconfig", path(&kubeconfig), "--plugins", path(&plugins), "--config", path(&config)];
        // Each write fails as on a full disk.
        let host = Porthole::with(&[&options[..], &["--audit", "/dev/full"]].concat()).await.unwrap();
        let agent = Streamable::new(&host.origin, Some(&token));
        agent.call("pods_list_in_namespace", json!({"namespace": "shop"})).await.unwrap();
        // Lines are written beside the calls: the log says when the first has failed.
        host.until_logged("the audit log cannot be written").await.unwrap();
        let text = agent.call("pods_list_in_namespace", json!({"namespace": "shop"})).await.unwrap();
        assert_eq!(text.contains("the audit log cannot be written"), refused, "{on_failure}: {text}");
        assert_eq!(text.starts_with("ERROR: "), refused, "{on_failure}: {text}");
    }
}

#[test]
fn every_kind_that_an_api_server_serves_can_be_denied() {
    let cluster = Cluster::for_tests();
    let kubectl = |arguments: &[&str]| {
        let output = std::process::Command::new(&cluster.kubectl)
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut names: Vec<String> =
        kubectl(&["api-resources", "-o", "name"]).lines().map(str::to_owned).collect();
    assert!(names.len() > 40, "{names:?}");
    // Built-in resources also by their kinds.
    for line in kubectl(&["api-resources", "--no-headers"]).lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (kind, version) = (columns[columns.len() - 1], columns[columns.len() - 3]);
        match version.split_once('/') {
            None => names.push(kind.to_owned()),
            Some((group, _)) => names.push(format!("{kind}.{group}")),
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for name in &names {
        std::fs::write(&file, format!("denied: [{name}]\n")).unwrap();
        let (code, _, said) = porthole(&["config", "check", path(file.path())]);
        assert_eq!(code, Some(0), "{name}: {said}");
    }
    for (wrong, nearest) in [("secrt", "secret"), ("deployments.v1.ap", "apps"), ("pods/logs", "log")] {
        std::fs::write(&file, format!("denied: [{wrong}]\n")).unwrap();
        let (code, _, said) = porthole(&["config", "check", path(file.path())]);
        assert!(code == Some(2) && said.contains(nearest), "{wrong}: {said}");
    }
}
