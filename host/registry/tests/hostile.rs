//! Registries on loopback that answer what no registry should.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests stop with a panic")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::Arc,
};

use porthole_registry::{ContentDigest, Error, ImageReference, Registries, Registry, Source, Trust};

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
    let host = registry(|_, _| ok("application/vnd.oci.image.manifest.v1+json", b"{}"));
    let localhost = host.replace("127.0.0.1", "localhost");
    for host in [host, localhost] {
        let source = source(&host, ContentDigest::of(b"{}"), &[]);
        let error =
            porthole_registry::verify(&source, &Trust::default(), &insecure(&host)).await.unwrap_err();
        assert!(matches!(error, Error::NotATool { .. }), "{error}");
    }
}
