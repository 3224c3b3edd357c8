//! `porthole plugin pull` against registries that lie: about manifests, about layers, about what is there.
#![cfg(feature = "registry")]
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop with a panic")]

use std::{collections::BTreeMap, fs, process::Command, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, Response, StatusCode, header},
};
use porthole_registry::{Artifact, ContentDigest, ImageReference, Registries, push};
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const WASM: &[u8] = b"\0asm\x0d\0\x01\0 a component that nobody loads here";

/// An answer, true or not.
#[derive(Clone)]
struct Answer {
    body: Vec<u8>,
    /// Value of `Docker-Content-Digest`.
    digest: Option<String>,
}

impl Answer {
    fn of(body: &[u8]) -> Self {
        Self { body: body.to_vec(), digest: None }
    }
}

fn sha256(bytes: &[u8]) -> String {
    ContentDigest::of(bytes).to_string()
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

async fn answer(State(answers): State<Arc<BTreeMap<String, Answer>>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    let Some(answer) = answers.get(path).cloned() else {
        let status = if path == "/v2/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return Response::builder().status(status).body(Body::empty()).unwrap();
    };
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, MANIFEST)
        .header(header::CONTENT_LENGTH, answer.body.len());
    if let Some(digest) = answer.digest {
        response = response.header("docker-content-digest", digest);
    }
    let body = if request.method() == Method::HEAD { Body::empty() } else { Body::from(answer.body) };
    response.body(body).unwrap()
}

/// Pulls the tool whose manifest and layer are honest unless they are changed; exit code and output.
async fn pull(manifest_answer: Answer, layer: Option<Answer>) -> (i32, String) {
    let digest = sha256(&manifest(WASM));
    let mut answers = BTreeMap::from([(format!("/v2/tools/certs/manifests/{digest}"), manifest_answer)]);
    answers.extend(layer.map(|layer| (format!("/v2/tools/certs/blobs/{}", sha256(WASM)), layer)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let routes = Router::new().fallback(answer).with_state(Arc::new(answers));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "tools:\n  sources:\n  - {{image: \"{host}/tools/certs@{digest}\"}}\nregistries:\n- {{host: \"{host}\", insecure: true}}\n"
    );
    fs::write(folder.path().join("porthole.yaml"), config).unwrap();
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let arguments = ["plugin", "pull", "--config", "porthole.yaml", "--into", "tools"];
        Command::new(env!("CARGO_BIN_EXE_porthole")).args(arguments).current_dir(path).output().unwrap()
    });
    let output = output.await.unwrap();
    server.abort();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let code = output.status.code().unwrap();
    let mut files: Vec<_> =
        fs::read_dir(folder.path().join("tools")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    // The tool, its proof and the lock if it was pulled; nothing half is left.
    let expected = if code == 0 { &["certs.wasm", "certs.wasm.proof", "sources.lock"][..] } else { &[] };
    assert_eq!(files, expected, "{printed}");
    (code, printed)
}

fn honest() -> Answer {
    Answer::of(&manifest(WASM))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_registry_is_pulled_from() {
    let (code, output) = pull(honest(), Some(Answer::of(WASM))).await;
    assert!(code == 0 && output.contains("no signature asked for"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_manifest_under_the_digest_is_refused() {
    let other = manifest(b"another layer");
    for digest in [None, Some(sha256(&other)), Some(sha256(&manifest(WASM)))] {
        let (code, output) = pull(Answer { digest, ..Answer::of(&other) }, Some(Answer::of(WASM))).await;
        assert!(code == 1 && output.contains("answers with other bytes"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_layer_under_the_digest_is_refused() {
    let mut other = WASM.to_vec();
    other[9] ^= 1;
    for lie in [other, [WASM, b"and more"].concat()] {
        let (code, output) = pull(honest(), Some(Answer::of(&lie))).await;
        assert!(code == 1 && output.contains("answers with other bytes"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_ends_early_is_refused() {
    let (code, output) = pull(honest(), Some(Answer::of(&WASM[..10]))).await;
    assert!(code == 1 && output.contains(&format!("cut off after 10 of {} bytes", WASM.len())), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_gone_is_named() {
    let (code, output) = pull(honest(), None).await;
    assert!(code == 1 && output.contains("is not there"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_written_will_do_unless_it_changes() {
    let folder = tempfile::Builder::new().prefix("registry").tempdir().unwrap();
    let image = format!("oci:{}/certs", folder.path().display());
    let artifact = Artifact { wasm: WASM.to_vec(), ..Artifact::default() };
    let reference = ImageReference::parse(&image).unwrap();
    let digest = push(&artifact, &reference, None, &Registries::default()).await.unwrap();
    let configure = |sources: &str| {
        fs::write(folder.path().join("porthole.yaml"), format!("tools:\n  sources: {sources}\n")).unwrap();
    };
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_porthole"));
        command.args(["plugin", arguments[0], "--config", "porthole.yaml"]).args(&arguments[1..]);
        let output = command.current_dir(folder.path()).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), printed)
    };
    configure(&format!("[{{image: \"{image}@{digest}\"}}]"));
    let (code, output) = run(&["lock", "--lock", "sources.lock"]);
    assert_eq!(code, 0, "{output}");
    // Nothing fits beside a name this long, not even for root, whom no permission stops.
    let lock = "l".repeat(255);
    fs::rename(folder.path().join("sources.lock"), folder.path().join(&lock)).unwrap();
    for status in ["pulled", "there already"] {
        let (code, output) = run(&["pull", "--into", "tools", "--lock", &lock]);
        assert!(code == 0 && output.contains(status), "{output}");
    }
    let names = fs::read_dir(folder.path().join("tools")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["certs.wasm", "certs.wasm.proof"], "no second lock beside the tools");
    configure("[]");
    let (code, output) = run(&["pull", "--into", "tools", "--lock", &lock]);
    assert!(code == 1 && output.contains("It has changed"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let digest = sha256(WASM);
    let config = format!(
        "tools:\n  sources:\n  - {{image: \"{host}/tools/certs@{digest}\"}}\nregistries:\n- {{host: \"{host}\", insecure: true}}\n"
    );
    fs::write(folder.path().join("porthole.yaml"), config).unwrap();
    let arguments = ["plugin", "pull", "--config", "porthole.yaml", "--into", "tools"];
    let output = Command::new(env!("CARGO_BIN_EXE_porthole"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && printed.contains("the registry does not answer"), "{printed}");
}
