//! Registries that lie: about digests, about layers, and about where the tag points.

use std::collections::BTreeMap;

use porthole_testbed::registry::{Answer, LyingRegistry};
use serde_json::json;

use crate::stage::Stage;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const WASM: &[u8] = b"\0asm\x0d\0\x01\0 a component that nobody loads here";

fn sha256(bytes: &[u8]) -> String {
    porthole_registry::ContentDigest::of(bytes).to_string()
}

fn manifest(layer: &[u8]) -> Vec<u8> {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": [descriptor("application/wasm", layer)],
    });
    manifest.to_string().into_bytes()
}

fn answer(body: &[u8]) -> Answer {
    Answer { content_type: MANIFEST, body: body.to_vec().into(), digest: None, length: None }
}

/// Pulls `tools/certs` at the digest of the honest manifest; exit code, output and the paths that were asked.
async fn pull(change: impl FnOnce(&mut BTreeMap<String, Answer>)) -> (i32, String, Vec<String>) {
    let manifest = manifest(WASM);
    let digest = sha256(&manifest);
    let mut answers =
        BTreeMap::from([("manifest".to_owned(), answer(&manifest)), ("layer".to_owned(), answer(WASM))]);
    change(&mut answers);
    let paths = |name: String| match name.as_str() {
        "manifest" => format!("/v2/tools/certs/manifests/{digest}"),
        "layer" => format!("/v2/tools/certs/blobs/{}", sha256(WASM)),
        _ => name,
    };
    let answers = answers.into_iter().map(|(name, answer)| (paths(name), answer)).collect();
    let registry = LyingRegistry::start(answers).await.unwrap();
    let host = registry.host.clone();
    let (code, output, files) = tokio::task::spawn_blocking(move || {
        let stage = Stage::new();
        stage.configure(&host, &format!("- {{image: \"{host}/tools/certs@{digest}\"}}"), "{}");
        let (code, output) = stage.pull();
        let files = std::fs::read_dir(stage.folder()).unwrap();
        let files: Vec<String> =
            files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        (code, output, files)
    })
    .await
    .unwrap();
    assert_eq!(files.iter().any(|file| file == "certs.wasm"), code == 0, "{files:?}");
    assert!(!files.iter().any(|file| file.contains("partial")), "nothing half is left: {files:?}");
    (code, output, registry.seen())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_one_is_pulled_from() {
    let (code, output, _) = pull(|_| {}).await;
    assert!(code == 0 && output.contains("no signature asked for"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_manifest_under_the_digest_is_refused() {
    let other = manifest(b"another layer");
    for digest in [None, Some(sha256(&other)), Some(sha256(&manifest(WASM)))] {
        let other = other.clone();
        let (code, output, seen) = pull(|answers| {
            answers.insert("manifest".to_owned(), Answer { digest, ..answer(&other) });
        })
        .await;
        assert!(code == 1 && output.contains("answers with other bytes"), "{output}");
        assert!(!seen.iter().any(|path| path.contains("/blobs/")), "no layer was asked for: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_layer_under_the_digest_is_refused() {
    let mut other = WASM.to_vec();
    other[9] ^= 1;
    let longer = [WASM, b"and more"].concat();
    for lie in [other, longer] {
        let (code, output, _) = pull(|answers| {
            answers.insert("layer".to_owned(), answer(&lie));
        })
        .await;
        assert!(code == 1 && output.contains("answers with other bytes"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_ends_early_is_refused() {
    for length in [None, Some(WASM.len())] {
        let (code, output, _) = pull(|answers| {
            answers.insert("layer".to_owned(), Answer { length, ..answer(&WASM[..10]) });
        })
        .await;
        assert!(
            code == 1 && output.contains(&format!("cut off after 10 of {} bytes", WASM.len())),
            "{output}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_gone_is_named() {
    let (code, output, _) = pull(|answers| {
        answers.remove("layer");
    })
    .await;
    assert!(code == 1 && output.contains("is not there"), "{output}");
}
