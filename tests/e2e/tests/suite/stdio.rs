//! Stdio transport: one client over stdin and stdout.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use porthole_testbed::{
    cluster::Cluster,
    porthole::{binary, tools},
    versions::{number, version},
};
use serde_json::{Value, json};

#[test]
fn a_desktop_client_reads_as_the_kubeconfigs_account() {
    let cluster = Cluster::for_tests();
    let mut child = Command::new(binary())
        .args(["serve", "--stdio", "--log", "trace", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .arg("--plugins")
        .arg(tools())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut exchange = |message: Value| -> Value {
        writeln!(stdin, "{message}").unwrap();
        // Every line on stdout must be a message: a log line would break the client.
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    let initialized = exchange(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "desk", "version": "1"}}}));
    assert_eq!(initialized["result"]["protocolVersion"], "2025-06-18");
    let listed = exchange(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(
        listed["result"]["tools"].as_array().unwrap().len(),
        porthole_testbed::porthole::number_of_tools()
    );
    let called = exchange(
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "namespaces_list", "arguments": {}}}),
    );
    assert!(called["result"]["content"][0]["text"].as_str().unwrap().contains("shop"), "{called}");
    drop(stdin);
    assert!(child.wait().unwrap().success(), "the end of stdin is the end of the host");
}

#[test]
fn a_desktop_client_hears_that_the_tools_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let put = |n: u32| {
        let aside = folder.path().join(".new");
        std::fs::write(&aside, version(n)).unwrap();
        std::fs::rename(aside, folder.path().join("tool.wasm")).unwrap();
    };
    put(1);
    let mut child = Command::new(binary())
        .args(["serve", "--stdio", "--demo", "--plugins"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let mut send = |message: Value| writeln!(stdin, "{message}").unwrap();
    send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "desk", "version": "1"}}}));
    let capabilities = next();
    assert_eq!(capabilities["result"]["capabilities"]["tools"]["listChanged"], true, "{capabilities}");
    send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    send(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(next()["result"]["tools"].as_array().unwrap().len(), 1);
    put(2);
    assert_eq!(next()["method"], "notifications/tools/list_changed");
    let call = json!({"name": "versioned", "arguments": {}});
    send(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}));
    let answer = next();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&number(2)), "{answer}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
