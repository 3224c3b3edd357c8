//! Proxy in front of an API server, which answers 429 or late while it is told to, and can record what is read.
//!
//! Plain HTTP to the host, TLS to the API server: a fault then needs no certificate of its own.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, Method, StatusCode, header, request::Parts, uri::Authority},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
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
/// Maximum number of recorded reads; a call makes 256 at most.
const MAX_READS: usize = 1024;

/// A recorded GET, which can be repeated with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Path and query.
    pub path: String,
    /// Content types that the client accepts: tables, metadata, JSON.
    pub accept: String,
    /// Encodings that the client accepts.
    pub encoding: String,
    /// Bytes of the answer's body as they were sent: compressed, if they were.
    pub bytes: u64,
}

/// Reads while they are recorded, with the bytes that have arrived so far.
type Record = Arc<Mutex<Option<Vec<(Read, Arc<AtomicU64>)>>>>;

/// A proxy on loopback; stopped on drop.
pub struct Proxy {
    /// Kubeconfig of the cluster by way of the proxy, without an account.
    pub kubeconfig: PathBuf,
    record: Record,
    state: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Server {
    client: HttpClient,
    authority: Authority,
    record: Record,
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
        let (state, record) = (Arc::new(AtomicU64::new(0)), Record::default());
        let server = Server {
            client: Way::trusting(&[&cluster.folder.join("ca.crt")])?.client(),
            authority: cluster.url.trim_start_matches("https://").parse()?,
            record: Arc::clone(&record),
            state: Arc::clone(&state),
        };
        let routes = Router::new().fallback(forward).with_state(server);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { kubeconfig, record, state, task })
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

    /// Records reads from now on.
    pub fn record(&self) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Reads since [`record`](Self::record), in the order in which they were asked; ends the recording.
    pub fn recorded(&self) -> Vec<Read> {
        let recorded = self.record.lock().unwrap_or_else(PoisonError::into_inner).take();
        let with_bytes =
            |(read, bytes): (Read, Arc<AtomicU64>)| Read { bytes: bytes.load(Ordering::Relaxed), ..read };
        recorded.unwrap_or_default().into_iter().map(with_bytes).collect()
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
    let bytes = counter(&server.record, &parts);
    let body = Full::from(to_bytes(body, MAX_BODY).await?);
    let response = server.client.request(Request::from_parts(parts, body)).await?;
    Ok(response.map(|body| {
        let count = move |data: Bytes| {
            bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            data
        };
        Body::new(body.map_frame(move |frame| frame.map_data(&count)).map_err(anyhow::Error::from))
    }))
}

/// Records a GET, if reads are recorded. Returns the counter of the bytes of its answer.
fn counter(record: &Record, request: &Parts) -> Arc<AtomicU64> {
    let bytes = Arc::new(AtomicU64::new(0));
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reads) =
        record.as_mut().filter(|reads| request.method == Method::GET && reads.len() < MAX_READS)
    {
        let text = |name: HeaderName| {
            let value = request.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let read = Read {
            path: request.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            accept: text(header::ACCEPT),
            encoding: text(header::ACCEPT_ENCODING),
            bytes: 0,
        };
        reads.push((read, Arc::clone(&bytes)));
    }
    bytes
}
