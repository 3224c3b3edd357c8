//! Compilation in a child process: components designed to need gigabytes, and the cache filled ahead of time.

use std::{
    path::Path,
    process::{Command, Output},
};

use porthole_testbed::porthole::{Demo, binary, tools};

/// One function in which 2,000 locals change inside 400 loops: 800,000 phis of 20 kB. In the host it took 2 GB.
fn phis() -> String {
    let locals = "(local i32)".repeat(2000);
    let changes: String =
        (1..2000).map(|n| format!("(local.set {n} (i32.add (local.get {n}) (i32.const 1)))")).collect();
    let (begin, end) = ("(loop ".repeat(400), "(br_if 0 (local.get 0)))".repeat(400));
    format!(
        "(component (core module (func (param i32) (result i32) {locals} {begin}{changes}{end} (local.get 1))))"
    )
}

/// A component of 200,000 functions.
fn functions() -> String {
    let one = "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))\n";
    format!("(component (core module {}))", one.repeat(200_000))
}

/// Branch tables: 500 tables of 2,800 targets each.
fn branches() -> String {
    let places: String = (0..2800).map(|n| format!("{} ", n % 8)).collect();
    let (begin, end) = ("(block ".repeat(8), ")".repeat(8));
    let one = format!("{begin}(br_table {places} 7 (local.get 0)){end}");
    format!("(component (core module (func (param i32) (result i32) {} (local.get 0))))", one.repeat(500))
}

fn compile(plugins: &Path, cache: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(["plugin", "compile", "--plugins"]).arg(plugins).arg("--cache").arg(cache);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_bomb_is_a_file_that_is_not_served_and_the_host_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("phis", phis()), ("functions", functions()), ("branches", branches())] {
        let file = folder.path().join(format!("{name}.wasm"));
        std::fs::write(file, wat::parse_str(text).unwrap()).unwrap();
    }
    std::fs::copy(tools().join("namespaces_list.wasm"), folder.path().join("namespaces_list.wasm")).unwrap();
    let demo = Demo::with(None, folder.path()).await.unwrap();
    let ready = demo.host.readiness().await.unwrap();
    assert_eq!(ready["tools"][0]["name"], "namespaces_list", "{ready}");
    let failed = ready["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 3, "{ready}");
    for failed in failed {
        let reason = failed["reason"].as_str().unwrap();
        assert!(reason.starts_with("compiling it "), "{failed}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", demo.host.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150_000, "the host itself took {peak} kB");
}

#[test]
fn the_cache_is_filled_ahead_of_time_and_a_file_that_is_not_compiled_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (plugins, cache) = (folder.path().join("tools"), folder.path().join("compiled"));
    std::fs::create_dir(&plugins).unwrap();
    std::fs::copy(tools().join("pods_log.wasm"), plugins.join("pods_log.wasm")).unwrap();
    let output = compile(&plugins, &cache);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    std::fs::write(plugins.join("bad.wasm"), "hello").unwrap();
    let output = compile(&plugins, &cache);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("bad.wasm is not compiled: it is not a WebAssembly component"), "{said}");
}
