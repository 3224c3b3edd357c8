//! The probes: `/healthz`, and `/readyz` with what is served, what is not and why, and whether the API server answers.

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

/// Anybody may ask, so the API server is asked for them this often at most.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Whether the API server answers, asked now and then.
struct ApiServerHealth {
    cluster: Arc<Cluster>,
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl ApiServerHealth {
    /// None where it answers; else what is wrong.
    async fn failure(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        if let Some((asked, failure)) = &*last
            && asked.elapsed() < REMEMBERED
        {
            return failure.clone();
        }
        let failure = self.cluster.server.answers().await.err().map(|failure| failure.message);
        *last = Some((Instant::now(), failure.clone()));
        failure
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    ready: bool,
    tools: Vec<Served>,
    failed: Vec<Failed>,
    api_server: ApiServer,
}

#[derive(Serialize)]
struct Served {
    name: String,
    version: String,
    file: String,
    digest: String,
}

#[derive(Serialize)]
struct Failed {
    file: String,
    reason: String,
}

#[derive(Serialize)]
struct ApiServer {
    answers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The routes of the probes.
pub(crate) fn routes(catalog: Arc<Catalog>, cluster: Arc<Cluster>) -> Router {
    let health = Arc::new(ApiServerHealth { cluster, last: Mutex::default() });
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state((catalog, health)))
}

/// 200 while a tool is served, 503 before; the body says more.
async fn ready(State((catalog, health)): State<(Arc<Catalog>, Arc<ApiServerHealth>)>) -> Response {
    let snapshot = catalog.current();
    let reason = health.failure().await;
    let readiness = Readiness {
        ready: !snapshot.tools.is_empty(),
        tools: snapshot
            .tools
            .values()
            .map(|tool| Served {
                name: tool.description.name.to_string(),
                version: tool.description.version.to_string(),
                file: tool.file.clone(),
                digest: format!("sha256:{}", tool.digest),
            })
            .collect(),
        failed: snapshot
            .failures
            .iter()
            .map(|(file, reason)| Failed { file: file.clone(), reason: reason.clone() })
            .collect(),
        api_server: ApiServer { answers: reason.is_none(), reason },
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
