//! Health probes: `/healthz`, and `/readyz` with served tools, failed files and API server status.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use porthole_cluster::Cluster;
use porthole_tools::Catalog;
use serde::Serialize;
use tokio::sync::Mutex;

/// Cache lifetime of the API server status. The probes need no token, so requests must not reach the API server
/// unbounded.
const CACHE_TTL: Duration = Duration::from_secs(5);

/// API server status, cached. A mutex around one value; moka is for many keys.
struct ApiServerHealth {
    cluster: Arc<Cluster>,
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl ApiServerHealth {
    /// Error of the API server; `None` if it answers.
    async fn failure(&self) -> Option<String> {
        // The lock is held during the request, so that concurrent probes share one.
        let mut last = self.last.lock().await;
        if let Some((queried, failure)) = &*last
            && queried.elapsed() < CACHE_TTL
        {
            return failure.clone();
        }
        let failure = self.cluster.server.ping().await.err().map(|failure| failure.message);
        *last = Some((Instant::now(), failure.clone()));
        failure
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    ready: bool,
    tools: Vec<ToolStatus>,
    failed: Vec<FileError>,
    api_server: ApiServer,
}

#[derive(Serialize)]
struct ToolStatus {
    name: String,
    version: String,
    file: String,
    digest: String,
}

#[derive(Serialize)]
struct FileError {
    file: String,
    reason: String,
}

#[derive(Serialize)]
struct ApiServer {
    answers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Routes of the probes.
pub(crate) fn routes(catalog: Arc<Catalog>, cluster: Arc<Cluster>) -> Router {
    let health = Arc::new(ApiServerHealth { cluster, last: Mutex::default() });
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state((catalog, health)))
}

/// Returns 200 if a tool is served, else 503; the body has details.
async fn ready(State((catalog, health)): State<(Arc<Catalog>, Arc<ApiServerHealth>)>) -> Response {
    let snapshot = catalog.current();
    let reason = health.failure().await;
    let readiness = Readiness {
        ready: !snapshot.tools.is_empty(),
        tools: snapshot
            .tools
            .values()
            .map(|tool| ToolStatus {
                name: tool.description.name.to_string(),
                version: tool.description.version.to_string(),
                file: tool.file.clone(),
                digest: format!("sha256:{}", tool.digest),
            })
            .collect(),
        failed: snapshot
            .failures
            .iter()
            .map(|(file, reason)| FileError { file: file.clone(), reason: reason.clone() })
            .collect(),
        api_server: ApiServer { answers: reason.is_none(), reason },
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
