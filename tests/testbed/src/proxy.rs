//! Proxy in front of an API server, which answers 429 or late while it is told to.
//!
//! Plain HTTP to the host, TLS to the API server: a fault then needs no certificate of its own.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use crate::{
    cluster::Cluster,
    http::{HttpClient, Way},
};

/// Maximum size of a request's body: reviews are the only ones.
const MAX_BODY: usize = 1 << 20;
/// Value of the state for 429; any other is a delay in milliseconds.
const BUSY: u64 = u64::MAX;

/// A proxy on loopback; stopped on drop.
pub struct Proxy {
    /// Kubeconfig of the cluster by way of the proxy, without an account.
    pub kubeconfig: PathBuf,
    state: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Server {
    client: HttpClient,
    authority: Authority,
    state: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy that passes everything on.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let kubeconfig = cluster.folder.join("proxied.kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxied", "users": [],
            "clusters": [{"name": "proxied", "cluster": {"server": format!("http://{}", listener.local_addr()?)}}],
            "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": ""}}],
        });
        std::fs::write(&kubeconfig, text.to_string())?;
        let state = Arc::new(AtomicU64::new(0));
        let server = Server {
            client: Way::trusting(&[&cluster.folder.join("ca.crt")])?.client(),
            authority: cluster.url.trim_start_matches("https://").parse()?,
            state: Arc::clone(&state),
        };
        let routes = Router::new().fallback(forward).with_state(server);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { kubeconfig, state, task })
    }

    /// Passes everything on, at once.
    pub fn pass(&self) {
        self.state.store(0, Ordering::Relaxed);
    }

    /// Passes everything on after a delay.
    pub fn delay(&self, delay: Duration) {
        self.state.store(u64::try_from(delay.as_millis()).unwrap_or(BUSY - 1), Ordering::Relaxed);
    }

    /// Answers everything with 429, as priority and fairness does.
    pub fn refuse(&self) {
        self.state.store(BUSY, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(server): State<Server>, request: Request) -> Response {
    match server.state.load(Ordering::Relaxed) {
        0 => {}
        BUSY => {
            let text = "Too many requests, please try again later.";
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], text).into_response();
        }
        delay => tokio::time::sleep(Duration::from_millis(delay)).await,
    }
    // The API server is away, or broke off: the same to the host as a connection that fails.
    passed_on(&server, request).await.unwrap_or_else(|error| {
        (StatusCode::BAD_GATEWAY, format!("the API server does not answer: {error:#}")).into_response()
    })
}

async fn passed_on(server: &Server, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let mut uri = parts.uri.into_parts();
    (uri.scheme, uri.authority) = (Some("https".parse()?), Some(server.authority.clone()));
    parts.uri = http::Uri::from_parts(uri)?;
    parts.headers.remove(header::HOST);
    let body = Full::from(to_bytes(body, MAX_BODY).await?);
    let response = server.client.request(Request::from_parts(parts, body)).await?;
    Ok(response.map(|body| Body::new(body.map_err(anyhow::Error::from))))
}
