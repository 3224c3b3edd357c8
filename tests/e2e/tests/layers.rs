//! Layers of the host: declared in Cargo.toml, documented in ARCHITECTURE.md, enforced by cargo-deny.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use porthole_e2e::root;
use porthole_testbed::prepared;
use serde_json::Value;

/// Crates by name, with their dependencies within the host, except for tests.
type Arrows = BTreeMap<String, Vec<String>>;

/// Dependencies in Cargo.toml.
fn of_cargo() -> Arrows {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let host = root().join("host");
    let name = |value: &Value| value["name"].as_str().unwrap().replace("porthole-", "");
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| Path::new(package["manifest_path"].as_str().unwrap()).starts_with(&host))
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let mut names: Vec<String> = dependencies
                .filter(|dependency| dependency["kind"].is_null())
                .filter(|dependency| {
                    dependency["path"].as_str().is_some_and(|path| Path::new(path).starts_with(&host))
                })
                .map(name)
                .collect();
            names.sort();
            (name(package), names)
        })
        .collect()
}

/// Dependencies in ARCHITECTURE.md: `guard      → cluster, contract, quota`.
fn of_the_document() -> Arrows {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let arrows = text.lines().filter_map(|line| {
        let (name, others) = line.strip_prefix("    ")?.split_once('→')?;
        let mut names: Vec<String> = others
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty() && name != "nothing")
            .collect();
        names.sort();
        Some((name.trim().to_owned(), names))
    });
    arrows.collect()
}

#[test]
fn the_document_draws_the_arrows_that_cargo_has() {
    let (drawn, held) = (of_the_document(), of_cargo());
    assert!(held.len() > 10, "{held:?}");
    assert_eq!(drawn, held);
}

/// Checks the bans of a copy of the workspace's manifests and sources, modified by `change`.
fn bans(change: impl FnOnce(&Path)) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Cargo.toml", "Cargo.lock", "deny.toml"] {
        fs::copy(root().join(name), folder.path().join(name)).unwrap();
    }
    // The host shares the grammar of field paths with the tools, which are a workspace of their own.
    for name in ["host", "plugins/Cargo.toml", "plugins/field-path", "tests", "xtask"] {
        let mut copy = Command::new("cp");
        let copied =
            copy.args(["-R", "--parents", name]).arg(folder.path()).current_dir(root()).status().unwrap();
        assert!(copied.success());
    }
    change(folder.path());
    let deny = prepared::path("PORTHOLE_CARGO_DENY");
    Command::new(deny)
        .args(["--offline", "check", "bans"])
        .current_dir(folder.path())
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .unwrap()
}

#[test]
fn an_arrow_from_the_sandbox_to_the_cluster_is_refused() {
    let untouched = bans(|_| {});
    assert!(untouched.status.success(), "{}", String::from_utf8_lossy(&untouched.stderr));
    for (from, to) in [("sandbox", "cluster"), ("mcp", "sandbox"), ("tools", "cluster"), ("mcp", "guard")] {
        let refused = bans(|folder| {
            let manifest = folder.join(format!("host/{from}/Cargo.toml"));
            let text = fs::read_to_string(&manifest).unwrap();
            let arrow = format!("[dependencies]\nporthole-{to}.workspace = true\n");
            fs::write(&manifest, text.replacen("[dependencies]\n", &arrow, 1)).unwrap();
        });
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{from} → {to}");
        assert!(said.contains(&format!("porthole-{to}")) && said.contains("banned"), "{from} → {to}: {said}");
    }
}
