//! Tools from registries: pushed, signed, verified, locked and pulled by the command line, against a registry on loopback.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]

mod polling;
mod serving;
mod stage;

use std::fs;

use porthole_testbed::registry::{Referrers, Registry};
use stage::{Stage, tool};

#[test]
fn a_tool_that_was_pushed_and_signed_is_pulled_and_needs_no_registry_again() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let (stage, image, digest) = Stage::with_signed(&registry);
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("pulled, ") && output.contains("key platform"), "{output}");
    assert_eq!(
        fs::read(stage.file("namespaces_list.wasm")).unwrap(),
        fs::read(tool("namespaces_list")).unwrap()
    );
    let lock = fs::read_to_string(stage.file("sources.lock")).unwrap();
    assert!(lock.contains(&digest) && lock.contains("platform") && lock.contains(&image), "{lock}");
    let mut names: Vec<_> =
        fs::read_dir(stage.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["namespaces_list.wasm", "namespaces_list.wasm.proof", "sources.lock"]);
    drop(registry);
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("there already"), "{output}");
    // Without the file a registry is needed, and says that it is down.
    fs::remove_file(stage.file("namespaces_list.wasm")).unwrap();
    let (code, output) = stage.pull();
    assert!(code == 1 && output.contains("the registry does not answer"), "{output}");
    assert_eq!(fs::read_to_string(stage.file("sources.lock")).unwrap(), lock, "the lock keeps what it knew");
}

#[test]
fn a_system_without_certificate_authorities_is_told_what_it_lacks() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let (stage, ..) = Stage::with_signed(&registry);
    let none = stage.path().join("none.pem").display().to_string();
    let (code, output) = stage.pull_with(&[("SSL_CERT_FILE", &none), ("SSL_CERT_DIR", &none)]);
    assert!(code == 1 && output.contains("no certificate authorities"), "{output}");
    assert!(output.contains("SSL_CERT_FILE") && !output.contains("panicked"), "{output}");
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("pulled, "), "{output}");
}

#[test]
fn a_signature_by_another_key_is_none() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/namespaces_list:1", registry.host);
    let source = format!("- {{image: \"{image}\", signedBy: [platform]}}");
    stage.configure(&registry.host, &source, "keys: {platform: p256.pub}");
    stage.push("namespaces_list", &image, None);
    let (code, output) = stage.pull();
    assert!(code == 1 && output.contains("is not signed by platform: there is no signature"), "{output}");
    stage.push("namespaces_list", &image, Some("ed25519.key"));
    let (code, output) = stage.pull();
    assert!(
        code == 1 && output.contains("is not signed by platform: its signature is by another key"),
        "{output}"
    );
    assert!(!stage.file("namespaces_list.wasm").exists());
    let (code, output) = stage.run(&["plugin", "verify", &image, "--config", "porthole.yaml"]);
    assert!(code == 1 && output.contains("another key"), "{output}");
    let (code, output) =
        stage.run(&["plugin", "verify", &image, "--config", "porthole.yaml", "--key", "ed25519.pub"]);
    assert!(code == 0 && output.contains("is signed by key ed25519.pub"), "{output}");
    assert!(
        output.contains("dev.porthole.reads  list namespaces") && output.contains("porthole:tool@0.1.0"),
        "{output}"
    );
}

#[test]
fn keys_rotate_while_both_are_named() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/namespaces_list:1", registry.host);
    let source = |names: &str| format!("- {{image: \"{image}\", signedBy: [{names}]}}");
    let keys = "keys: {old: p256.pub, new: ed25519.pub}";
    stage.push("namespaces_list", &image, Some("p256.key"));
    stage.configure(&registry.host, &source("old"), keys);
    assert_eq!(stage.pull().0, 0);
    stage.configure(&registry.host, &source("old, new"), keys);
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("there already") && output.contains("key old"), "{output}");
    // The old key goes: what it alone has signed is not good enough any more.
    stage.configure(&registry.host, &source("new"), keys);
    let (code, output) = stage.pull();
    assert!(code == 1 && output.contains("is not signed by new"), "{output}");
    stage.push("namespaces_list", &image, Some("ed25519.key"));
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("there already") && output.contains("key new"), "{output}");
    assert!(fs::read_to_string(stage.file("sources.lock")).unwrap().contains("\"new\""));
}

#[test]
fn a_revoked_tool_is_not_pulled_and_leaves_the_folder() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/namespaces_list:1", registry.host);
    let source = format!("- {{image: \"{image}\", signedBy: [platform]}}");
    let digest = stage.push("namespaces_list", &image, Some("p256.key"));
    stage.configure(&registry.host, &source, "keys: {platform: p256.pub}");
    assert_eq!(stage.pull().0, 0);
    stage.configure(
        &registry.host,
        &source,
        &format!("{{keys: {{platform: p256.pub}}, revoked: [\"{digest}\"]}}"),
    );
    let (code, output) = stage.pull();
    assert!(code == 1 && output.contains(&format!("{digest} is revoked")), "{output}");
    assert!(!stage.file("namespaces_list.wasm").exists(), "a host that serves it stops");
    // Nor is it pulled by who has no lock.
    fs::remove_file(stage.file("sources.lock")).unwrap();
    let (code, output) = stage.pull();
    assert!(
        code == 1 && output.contains("is revoked") && !stage.file("namespaces_list.wasm").exists(),
        "{output}"
    );
}

#[test]
fn a_tag_that_moves_is_followed_when_the_lock_is_written_anew() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/certs:1", registry.host);
    let first = stage.push("namespaces_list", &image, Some("p256.key"));
    stage.configure(
        &registry.host,
        &format!("- {{image: \"{image}\", signedBy: [platform]}}"),
        "keys: {platform: p256.pub}",
    );
    assert_eq!(stage.pull().0, 0);
    let second = stage.push("pods_list", &image, Some("p256.key"));
    assert_ne!(first, second);
    fs::remove_file(stage.file("certs.wasm")).unwrap();
    assert_eq!(stage.pull().0, 0);
    assert_eq!(
        fs::read(stage.file("certs.wasm")).unwrap(),
        fs::read(tool("namespaces_list")).unwrap(),
        "the locked one"
    );
    let (code, output) = stage.run(&["plugin", "lock", "--config", "porthole.yaml"]);
    assert!(code == 0 && output.contains(&second), "{output}");
    let (code, output) =
        stage.run(&["plugin", "lock", "--config", "porthole.yaml", "--lock", "tools/sources.lock"]);
    assert_eq!(code, 0, "{output}");
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("pulled"), "{output}");
    assert_eq!(fs::read(stage.file("certs.wasm")).unwrap(), fs::read(tool("pods_list")).unwrap());
}

#[test]
fn a_lock_that_was_edited_is_an_error_that_names_the_image() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let (stage, image, _) = Stage::with_signed(&registry);
    assert_eq!(stage.pull().0, 0);
    let written = fs::read_to_string(stage.file("sources.lock")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&written).unwrap();
    let layer = lock["tools"][&image]["layer"].as_str().unwrap().to_owned();
    let other = format!("sha256:{}", "0".repeat(64));
    for (from, to, hint) in [
        (layer.as_str(), other.as_str(), "its entry has the layer sha256:0000"),
        (layer.as_str(), "sha256:12", "\"sha256:12\" is not a digest"),
        ("\"layer\"", "\"Layer\"", "unknown field"),
    ] {
        fs::write(stage.file("sources.lock"), written.replace(from, to)).unwrap();
        let (code, output) = stage.pull();
        assert!(code == 1 && output.contains(hint) && output.contains(&image), "{output}");
    }
}

#[test]
fn a_digest_that_is_gone_is_named() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let gone = format!("{}/tools/certs@sha256:{}", registry.host, "1".repeat(64));
    for signed_by in ["", ", signedBy: [platform]"] {
        let source = format!("- {{image: \"{gone}\"{signed_by}}}");
        stage.configure(&registry.host, &source, "keys: {platform: p256.pub}");
        let (code, output) = stage.pull();
        assert!(code == 1 && output.contains(&format!("{gone} is not there")), "{output}");
    }
}

#[test]
fn a_source_without_digest_and_signature_is_a_mistake_of_the_configuration() {
    let stage = Stage::new();
    stage.configure("127.0.0.1:1", "- {image: \"127.0.0.1:1/tools/certs:1\"}", "{}");
    for arguments in [
        &["plugin", "pull", "--config", "porthole.yaml", "--into", "tools"][..],
        &["config", "check", "porthole.yaml"],
    ] {
        let (code, output) = stage.run(arguments);
        assert!(code == 2 && output.contains("has no digest and no signedBy"), "{output}");
    }
}

#[test]
fn a_registry_without_the_referrers_api_keeps_signatures_under_a_tag() {
    let registry = Registry::start(Referrers::Tag).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/namespaces_list:1", registry.host);
    // Two signatures are two entries of the same list.
    stage.push("namespaces_list", &image, Some("ed25519.key"));
    stage.push("namespaces_list", &image, Some("p256.key"));
    for key in ["p256.pub", "ed25519.pub"] {
        stage.configure(&registry.host, "[]", "{}");
        let (code, output) =
            stage.run(&["plugin", "verify", &image, "--config", "porthole.yaml", "--key", key]);
        assert!(code == 0 && output.contains(&format!("is signed by key {key}")), "{output}");
    }
}

#[test]
fn a_folder_in_oci_layout_stands_in_for_a_registry() {
    let stage = Stage::new();
    let image = format!("oci:{}/namespaces_list", stage.path().display());
    let digest = stage.push("namespaces_list", &image, Some("p256.key"));
    stage.configure(
        "127.0.0.1:1",
        &format!("- {{image: \"{image}@{digest}\", signedBy: [platform]}}"),
        "keys: {platform: p256.pub}",
    );
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("key platform"), "{output}");
    assert_eq!(
        fs::read(stage.file("namespaces_list.wasm")).unwrap(),
        fs::read(tool("namespaces_list")).unwrap()
    );
    // A byte of the layer changes.
    let (blob, mut bytes) = stage.largest_blob("namespaces_list");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(blob, bytes).unwrap();
    fs::remove_file(stage.file("namespaces_list.wasm")).unwrap();
    let (code, output) = stage.pull();
    assert!(
        code == 1
            && output.contains("answers with other bytes")
            && !stage.file("namespaces_list.wasm").exists(),
        "{output}"
    );
}

#[test]
fn a_tool_whose_source_is_removed_leaves_the_folder_unless_it_was_replaced() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = |name: &str| format!("{}/tools/{name}:1", registry.host);
    let mut sources = String::new();
    for name in ["namespaces_list", "pods_list"] {
        stage.push(name, &image(name), Some("p256.key"));
        sources += &format!("\n  - {{image: \"{}\", signedBy: [platform]}}", image(name));
    }
    stage.configure(&registry.host, &sources, "keys: {platform: p256.pub}");
    let (code, output) = stage.pull();
    assert_eq!(code, 0, "{output}");
    fs::write(stage.file("pods_list.wasm"), "mine").unwrap();
    stage.configure(&registry.host, "[]", "{}");
    let (code, output) = stage.pull();
    assert!(code == 0 && output.contains("namespaces_list.wasm: removed"), "{output}");
    assert!(!stage.file("namespaces_list.wasm").exists() && stage.file("pods_list.wasm").exists());
}
