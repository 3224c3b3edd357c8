//! Components that attempt forbidden operations.

use std::path::Path;

use porthole_testbed::{
    http::Streamable,
    porthole::{Porthole, guest, tools},
};
use serde_json::json;

use crate::reader;

/// Small limits, but for the time: on a busy machine a second of processor time takes many seconds.
const LIMITS: &str = "limits: {timeout: 2m, cpu: 1s, memory: 16Mi, reads: 5, output: 4Ki}\n";
/// Limits of a call that only waits.
const HURRIED: &str = "limits: {timeout: 4s}\n";

/// A folder with the hostile tool and a harmless one, and small limits.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(guest("hostile"), folder.path().join("hostile.wasm")).unwrap();
    std::fs::copy(tools().join("namespaces_list.wasm"), folder.path().join("namespaces_list.wasm")).unwrap();
    std::fs::write(folder.path().join("porthole.yaml"), LIMITS).unwrap();
    folder
}

async fn host(folder: &Path, kubeconfig: &Path) -> Porthole {
    let config = folder.join("porthole.yaml");
    let options = [
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--plugins",
        folder.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ];
    Porthole::with(&options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_tool_is_stopped_within_its_limits_while_other_calls_go_on() {
    let (cluster, token) = reader().await;
    let folder = folder();
    let patient = host(folder.path(), &cluster.kubeconfig).await;
    for (what, n, expected) in [
        ("loop", 1, "(`cpu`)"),
        ("grow", 1, "(`memory`)"),
        ("recurse", 1, "stack"),
        ("panic", 1, "fault of its own"),
        ("output", 10_000, "(`output`)"),
        ("reads", 6, "(`reads`)"),
        ("secrets", 1, "not granted"),
        ("log", 1, "not granted"),
        ("nonsense", 1, "cannot try"),
    ] {
        is_stopped(&patient, &token, (what, n), expected).await;
    }
    std::fs::write(folder.path().join("porthole.yaml"), HURRIED).unwrap();
    let hurried = host(folder.path(), &cluster.kubeconfig).await;
    is_stopped(&hurried, &token, ("sleep", 60), "(`timeout`)").await;
}

/// Checks that a call of the hostile tool ends with this error, and that others are answered beside it.
async fn is_stopped(host: &Porthole, token: &str, (what, n): (&str, u32), expected: &str) {
    let streamable = Streamable::new(&host.origin, Some(token));
    let attempt = streamable.call("hostile", json!({"what": what, "n": n}));
    let others = async {
        let mut answered = 0;
        for _ in 0..5 {
            let text =
                Streamable::new(&host.origin, Some(token)).call("namespaces_list", json!({})).await.unwrap();
            assert!(text.contains("shop"), "{text}");
            answered += 1;
        }
        answered
    };
    let (text, answered) = tokio::join!(attempt, others);
    let text = text.unwrap();
    assert!(text.starts_with("ERROR: ") && text.contains(expected), "{what}: {text}");
    assert_eq!(answered, 5, "other calls during {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_loops_at_once_starve_nobody() {
    let (cluster, token) = reader().await;
    let folder = folder();
    let host = host(folder.path(), &cluster.kubeconfig).await;
    let loops = (0..6).map(|_| async {
        Streamable::new(&host.origin, Some(&token)).call("hostile", json!({"what": "loop"})).await.unwrap()
    });
    let other = async {
        Streamable::new(&host.origin, Some(&token)).call("namespaces_list", json!({})).await.unwrap()
    };
    let (stopped, answered) = tokio::join!(futures::future::join_all(loops), other);
    assert!(answered.contains("shop"), "{answered}");
    for text in stopped {
        assert!(text.contains("(`cpu`)") || text.contains("(`timeout`)"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_find_in_the_world_of_a_tool() {
    let (cluster, token) = reader().await;
    let folder = folder();
    let host = host(folder.path(), &cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    let files = streamable.call("hostile", json!({"what": "files"})).await.unwrap();
    assert!(
        files.contains("folder: Err") && files.contains("file: false") && files.contains("write: false"),
        "{files}"
    );
    let environment = streamable.call("hostile", json!({"what": "environment"})).await.unwrap();
    assert_eq!(environment, "variables: []; arguments: []");
    // A tool's extensive output is no error, and does not reach the caller.
    assert_eq!(
        streamable.call("hostile", json!({"what": "chatter", "n": 3000})).await.unwrap(),
        "said it all"
    );
    // No state outlives a call: each has its own instance.
    for _ in 0..3 {
        assert_eq!(streamable.call("hostile", json!({"what": "remember"})).await.unwrap(), "seen 1");
    }
    assert_eq!(streamable.call("hostile", json!({"what": "empty"})).await.unwrap(), "(no output)");
    assert_eq!(streamable.call("hostile", json!({"what": "reads", "n": 5})).await.unwrap(), "read it all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_tool_is_not_served_and_the_reason_names_what_is_wrong() {
    let (cluster, _) = reader().await;
    let folder = folder();
    let component = |text: &str| wat::parse_str(text).unwrap();
    let instance = |import: &str, function: &str| {
        component(&format!(r#"(component (import "{import}" (instance (export "{function}" (func)))))"#))
    };
    let files = [
        (
            "sockets.wasm",
            instance("wasi:sockets/tcp-create-socket@0.2.0", "x"),
            "it imports wasi:sockets/tcp-create-socket@0.2.0, and tools have no network",
        ),
        (
            "http.wasm",
            component(r#"(component (import "wasi:http/types@0.2.0" (instance)))"#),
            "it imports wasi:http/types@0.2.0, and tools have no network",
        ),
        ("other.wasm", instance("acme:vault/secrets@1.0.0", "x"), "acme:vault/secrets@1.0.0"),
        ("newer.wasm", instance("porthole:tool/kube-write@0.1.0", "x"), "porthole:tool/kube-write@0.1.0"),
        ("empty.wasm", component("(component)"), "not a tool"),
        ("module.wasm", wat::parse_str("(module)").unwrap(), "not a WebAssembly component"),
        ("garbage.wasm", b"hello".to_vec(), "not a WebAssembly component"),
        ("none.wasm", Vec::new(), "not a WebAssembly component"),
    ];
    for (name, bytes, _) in &files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::copy(folder.path().join("hostile.wasm"), folder.path().join("zz-twin.wasm")).unwrap();
    std::fs::write(folder.path().join(".hidden.wasm"), b"half a file").unwrap();
    let host = host(folder.path(), &cluster.kubeconfig).await;
    let readiness = host.readiness().await.unwrap();
    let reason = |file: &str| {
        let failed = readiness["failed"].as_array().unwrap().iter().find(|failed| failed["file"] == file);
        failed.unwrap_or_else(|| panic!("{file} is not named: {readiness}"))["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (name, _, expected) in files {
        assert!(reason(name).contains(expected), "{name}: {}", reason(name));
    }
    assert!(reason("zz-twin.wasm").contains("served from hostile.wasm"));
    assert_eq!(readiness["failed"].as_array().unwrap().len(), 9, "{readiness}");
    let served: Vec<&str> =
        readiness["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(served, ["hostile", "namespaces_list"]);
}
