//! Kubelet stub for `pods/log`: TLS, and logs from files.
//!
//! `logs/<namespace>/<pod>/<container>.log` is a container's log, `….previous.log` the log of its previous run. If
//! `….endless` exists, the log never ends: a line every 20 ms, and `….open` exists during the read.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path as UrlPath, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    #[serde(default)]
    previous: bool,
    tail_lines: Option<usize>,
    #[serde(default)]
    timestamps: bool,
}

/// Serves until the process ends.
pub(crate) async fn serve(folder: &Path, port: u16) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = RustlsConfig::from_pem_file(folder.join("server.crt"), folder.join("server.key")).await?;
    let routes = Router::new()
        .route("/containerLogs/{namespace}/{pod}/{container}", get(log))
        .with_state(folder.join("logs"));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    axum_server::bind_rustls(address, tls).serve(routes.into_make_service()).await?;
    Ok(())
}

async fn log(
    State(logs): State<PathBuf>,
    UrlPath((namespace, pod, container)): UrlPath<(String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    let base = logs.join(namespace).join(&pod);
    if base.join(format!("{container}.endless")).exists() {
        return endless(base.join(format!("{container}.open")));
    }
    let file = base.join(if options.previous {
        format!("{container}.previous.log")
    } else {
        format!("{container}.log")
    });
    let Ok(text) = std::fs::read(&file) else {
        if options.previous {
            let text = format!("previous terminated container {container:?} in pod {pod:?} not found");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
        return Body::empty().into_response();
    };
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let skip = lines.len().saturating_sub(options.tail_lines.unwrap_or(usize::MAX));
    if skip == 0 && !options.timestamps {
        return text.into_response();
    }
    let mut shown = Vec::with_capacity(text.len());
    for (number, line) in lines.into_iter().enumerate().skip(skip) {
        if options.timestamps {
            shown.extend_from_slice(timestamp(number).as_bytes());
        }
        shown.extend_from_slice(line);
    }
    shown.into_response()
}

/// Timestamp before a line: lines are a millisecond apart.
fn timestamp(number: usize) -> String {
    let (seconds, milliseconds) = (number / 1000, number % 1000);
    let (hours, minutes, seconds) = (10 + seconds / 3600 % 14, seconds / 60 % 60, seconds % 60);
    format!("2026-11-23T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}000000Z ")
}

/// Marker file that exists while the log is read.
struct Open(PathBuf);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn endless(marker: PathBuf) -> Response {
    let _ = std::fs::write(&marker, "");
    let stream = futures::stream::unfold((0u64, Open(marker)), |(n, open)| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, io::Error>(Bytes::from(format!("tick {n} {}\n", ".".repeat(100)))), (n + 1, open)))
    });
    Body::from_stream(stream).into_response()
}
