//! The public MCP conformance suite (npm `@modelcontextprotocol/conformance`) against the host, with components for the
//! tools it expects. `tests/conformance/expected-failures.yml` lists the failing scenarios with their reasons.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop with a panic")]

use porthole_e2e::root;
use porthole_testbed::{
    porthole::{Porthole, guest},
    prepared,
};

/// Scenarios that a server of tools can pass; the popular server passes 10 of 32.
const MUST_PASS: [&str; 14] = [
    "server-initialize",
    "logging-set-level",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-with-logging",
    "tools-call-error",
    "tools-call-with-progress",
    "resources-list",
    "dns-rebinding-protection",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_public_suite() {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let built = guest("examples/x").parent().unwrap().to_owned();
    for entry in std::fs::read_dir(built).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Cargo also leaves copies with a hash in the name.
        if name.starts_with("test_") && name.ends_with(".wasm") && !name.contains('-') {
            std::fs::copy(guest("examples/x").with_file_name(&name), tools.join(&name)).unwrap();
        }
    }
    let plugins = tools.display().to_string();
    // The suite sends no token.
    let host = Porthole::with(&["--demo", "--identity", "host", "--plugins", &plugins]).await.unwrap();
    let modules = prepared::path("PORTHOLE_CONFORMANCE");
    let expected = root().join("tests/conformance/expected-failures.yml");
    let output = tokio::process::Command::new(modules.join("node/bin/node"))
        .arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--suite", "all", "--url", &format!("{}/mcp", host.origin), "--output-dir"])
        .arg(folder.path().join("results"))
        .arg("--expected-failures")
        .arg(expected)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for scenario in MUST_PASS {
        let line = text.lines().find(|line| line.contains(&format!("{scenario}: ")));
        let line = line.unwrap_or_else(|| panic!("{scenario} was not run: {text}"));
        assert!(line.contains(" 0 failed") && !line.contains(": 0 passed"), "{line}");
    }
}
