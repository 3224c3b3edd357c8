//! Registries on loopback that answer what no registry should.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests stop with a panic")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::Arc,
};

use porthole_registry::{
    Artifact, ContentDigest, Error, ImageReference, Registries, Registry, SigningKey, Source, Tags, Trust,
    TrustedKey,
};
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// An answer of a registry: status line and headers, and the bytes that follow; `None` ends the connection without one.
type Answer = Option<(String, Vec<u8>)>;

/// Starts a registry that answers each path as `answer` says. Returns its host.
fn registry(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (own, answer) = (host.clone(), Arc::new(answer));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (own, answer) = (own.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut connection = BufReader::new(connection.unwrap());
                let (mut request, mut line) = (String::new(), String::new());
                connection.read_line(&mut request).unwrap();
                while connection.read_line(&mut line).unwrap_or(0) > 2 {
                    line.clear();
                }
                let path = request.split(' ').nth(1).unwrap_or_default();
                if let Some((head, body)) = answer(&own, path) {
                    let text = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
                    let _ = connection.get_mut().write_all(&[text.as_bytes(), &body].concat());
                }
            });
        }
    });
    host
}

/// An answer with a body of its length.
fn ok(media_type: &str, body: &[u8]) -> Answer {
    let head = format!("200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}", body.len());
    Some((head, body.to_vec()))
}

fn insecure(host: &str) -> Registries {
    let mut registries = Registries::default();
    registries.add(host, Registry { insecure: true, ..Registry::default() }).unwrap();
    registries
}

fn source(host: &str, digest: ContentDigest, names: &[&str]) -> Source {
    let image = ImageReference::parse(&format!("{host}/tools/certs")).unwrap().at(digest);
    Source { image, signed_by: names.iter().map(|name| (*name).to_owned()).collect() }
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_an_error_of_one_tool() {
    let host = registry(|host, path| match path.split('?').next() {
        Some("/token") => ok("application/json", br#"{"token": "a\nb"}"#),
        _ => {
            let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"");
            Some((format!("401 Unauthorized\r\nContent-Length: 0\r\n{challenge}"), Vec::new()))
        }
    });
    let source = source(&host, ContentDigest::of(b"{}"), &[]);
    let error = porthole_registry::verify(&source, &Trust::default(), &insecure(&host)).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }) && error.to_string().contains("cannot take"), "{error}");
}

/// Runs itself once more with proxies in the environment, which a process reads for all of its tests.
#[tokio::test]
async fn no_proxy_sees_what_is_meant_for_loopback() {
    if std::env::var_os("HTTP_PROXY").is_none() {
        let proxy = registry(|_, _| panic!("the proxy was asked"));
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "no_proxy_sees_what_is_meant_for_loopback"]);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            again.env(name, format!("http://{proxy}"));
        }
        for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
            again.env_remove(name);
        }
        assert!(again.output().unwrap().status.success());
        return;
    }
    let host = registry(|_, _| ok(MANIFEST, b"{}"));
    let localhost = host.replace("127.0.0.1", "localhost");
    for host in [host, localhost] {
        let source = source(&host, ContentDigest::of(b"{}"), &[]);
        let error =
            porthole_registry::verify(&source, &Trust::default(), &insecure(&host)).await.unwrap_err();
        assert!(matches!(error, Error::NotATool { .. }), "{error}");
    }
}

/// A tool that is signed, as a folder that a registry serves; what refers to it is `referrers`, and then its signature.
struct Signed {
    folder: tempfile::TempDir,
    digest: ContentDigest,
    signature: String,
    trust: Trust,
}

impl Signed {
    async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("registry").tempdir().unwrap();
        let image = ImageReference::parse(&format!("oci:{}/certs", folder.path().display())).unwrap();
        let key = SigningKey::parse(include_bytes!("../../../tests/fixtures/signatures/p256.key")).unwrap();
        let artifact = Artifact { wasm: b"wasm".to_vec(), ..Artifact::default() };
        let none = Registries::default();
        let digest = porthole_registry::push(&artifact, &image, Some(&key), &none).await.unwrap();
        let index = std::fs::read(folder.path().join("certs/index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        let digests =
            index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap());
        let others: Vec<_> = digests.filter(|listed| **listed != digest.to_string()).collect();
        let [signature] = others.as_slice() else { panic!("{index}") };
        let key = include_bytes!("../../../tests/fixtures/signatures/p256.pub");
        let keys = [("own".to_owned(), TrustedKey::parse("own", key).unwrap())];
        let trust = Trust { keys: keys.into_iter().collect(), ..Trust::default() };
        Self { digest, signature: (*signature).to_owned(), trust, folder }
    }

    /// Adds a blob. Returns its digest.
    fn add(&self, bytes: &[u8]) -> String {
        let digest = ContentDigest::of(bytes).to_string();
        std::fs::write(self.folder.path().join("certs/blobs/sha256").join(&digest[7..]), bytes).unwrap();
        digest
    }

    /// Verifies it, by a registry where these referrers, by digest and type, come before the signature.
    async fn verify(&self, referrers: &[(String, &str)]) -> Result<Option<String>, Error> {
        let signature = (self.signature.clone(), BUNDLE);
        let entries = referrers.iter().chain([&signature]).map(|(digest, kind)| {
            json!({"mediaType": MANIFEST, "digest": digest, "size": 2, "artifactType": kind})
        });
        let entries: Vec<_> = entries.collect();
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries});
        let blobs = self.folder.path().join("certs/blobs/sha256");
        let host = registry(move |_, path| match path.rsplit_once('/') {
            Some((before, _)) if before.ends_with("/referrers") => {
                ok("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes())
            }
            Some((_, last)) => match last.strip_prefix("sha256:").map(|hex| std::fs::read(blobs.join(hex))) {
                Some(Ok(bytes)) => ok(MANIFEST, &bytes),
                _ => Some(("404 Not Found\r\nContent-Length: 0".to_owned(), Vec::new())),
            },
            None => None,
        });
        let source = source(&host, self.digest, &["own"]);
        let verified = porthole_registry::verify(&source, &self.trust, &insecure(&host)).await;
        verified.map(|verified| verified.signed_by)
    }

    /// Manifest of a signature with one layer.
    fn referrer(&self, layer: &str, size: usize) -> String {
        let descriptor =
            |kind: &str, digest: &str, size| json!({"mediaType": kind, "digest": digest, "size": size});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.empty.v1+json", layer, 2),
            "layers": [descriptor(BUNDLE, layer, size)],
        });
        self.add(manifest.to_string().as_bytes())
    }
}

#[tokio::test]
async fn a_stray_referrer_does_not_hide_the_signature_behind_it() {
    let signed = Signed::new().await;
    let gone = ContentDigest::of(b"gone").to_string();
    let large = signed.add(&vec![b' '; (1 << 20) + 1]);
    let strays = [
        gone.clone(),
        large.clone(),
        signed.referrer(&gone, 2),
        signed.referrer(&large, (1 << 20) + 1),
        signed.referrer(&large, 2),
    ];
    for stray in strays {
        let signed_by = signed.verify(&[(stray.clone(), BUNDLE)]).await;
        assert_eq!(signed_by.unwrap().as_deref(), Some("own"), "{stray}");
    }
}

#[tokio::test]
async fn what_else_is_attached_does_not_crowd_a_signature_out() {
    let signed = Signed::new().await;
    let other = (signed.add(b"{}"), "application/vnd.example.sbom");
    let signed_by = signed.verify(&vec![other; 100]).await;
    assert_eq!(signed_by.unwrap().as_deref(), Some("own"));
}

/// A registry that redirects to signed addresses, and ends the connection there: without an answer, or within it.
#[tokio::test]
async fn no_error_holds_an_address_that_a_registry_signed() {
    let signed = Signed::new().await;
    let blobs = signed.folder.path().join("certs/blobs/sha256");
    let manifest = std::fs::read(blobs.join(&signed.digest.to_string()[7..])).unwrap();
    for part in ["manifests", "blobs"] {
        let manifest = manifest.clone();
        let host = registry(move |host, path| {
            if path.contains("X-Signature") {
                let half = "200 OK\r\nContent-Length: 4".to_owned();
                return (part == "blobs").then(|| (half, b"wa".to_vec()));
            }
            if path.contains(part) {
                let to = format!("http://{host}/storage?X-Signature=s3cr3t");
                return Some((
                    format!("307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0"),
                    Vec::new(),
                ));
            }
            ok(MANIFEST, if path.contains("manifests") { &manifest } else { b"" })
        });
        let tools = tempfile::Builder::new().prefix("registry").tempdir().unwrap();
        let (source, trust) = (source(&host, signed.digest, &[]), Trust::default());
        let pulled =
            porthole_registry::pull(&source, None, Tags::Locked, &trust, &insecure(&host), tools.path())
                .await;
        let error = pulled.unwrap_err();
        assert!(
            matches!(
                (part, &error),
                ("manifests", Error::Unreachable { .. }) | ("blobs", Error::Truncated { .. })
            ),
            "{error}"
        );
        assert!(!error.to_string().contains("s3cr3t") && !error.to_string().contains("http:"), "{error}");
    }
}
