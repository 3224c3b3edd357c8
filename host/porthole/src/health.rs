//! Health probes: `/healthz`, and `/readyz` with served tools, failed files and API server status.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
use porthole_tools::{Catalog, HeldTool, Snapshot, Tool};
use serde::Serialize;
use tokio::sync::Mutex;

/// Cache lifetime of the API server status. The probes need no token, so requests must not reach the API server
/// unbounded.
const CACHE_TTL: Duration = Duration::from_secs(5);

/// Max time for the API server to answer a probe. A kubelet waits one second for a probe by default: an API server that
/// hangs must not take the host out of its Service, because a caller is told so, and the host serves again with it.
const MAX_PING: Duration = Duration::from_millis(500);

/// Longest time for which files that are still compiled keep the host from being ready: a client that connects meanwhile
/// may keep the shorter list of tools, as Dify does, but one slow file must not close the others.
const MAX_LOADING: Duration = Duration::from_secs(60);

/// Failed files that are listed, in the order of their names: no token is needed to ask. The operator's page has all.
const MAX_FAILED: usize = 50;

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
        let failure = self.cluster.server.ping(MAX_PING).await.err().map(|failure| failure.message);
        *last = Some((Instant::now(), failure.clone()));
        failure
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    ready: bool,
    /// The process was asked to stop.
    #[serde(skip_serializing_if = "is_false")]
    stopping: bool,
    /// Files of the folder are still tried for the first time.
    #[serde(skip_serializing_if = "is_false")]
    loading: bool,
    tools: Vec<ToolStatus>,
    failed: Vec<FileError>,
    /// Files that wait for an approval; their reasons are in `failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<HeldFile>,
    /// Failed files that are not in `failed`.
    #[serde(skip_serializing_if = "is_zero")]
    more_failed: usize,
    /// Sources that this server polls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceStatus>,
    api_server: ApiServer,
}

/// Status of a source that the server polls.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceStatus {
    pub(crate) image: String,
    /// Time of the last poll that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checked: Option<String>,
    /// Error of the last poll; what is in the folder is served as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Lists the status of the sources.
pub(crate) type SourceStatuses = Arc<dyn Fn() -> Vec<SourceStatus> + Send + Sync>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolStatus {
    name: String,
    version: String,
    file: String,
    digest: String,
    /// Image that it came from, and the key that had signed that, as the lock of sources says.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

#[derive(Serialize)]
struct FileError {
    file: String,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldFile {
    file: String,
    tool: String,
    version: String,
    /// Reads beyond the approved ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks_for: Option<String>,
}

#[derive(Serialize)]
struct ApiServer {
    answers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn failed(failures: &BTreeMap<String, String>) -> Vec<FileError> {
    let error = |(file, reason): (&String, &String)| FileError { file: file.clone(), reason: reason.clone() };
    failures.iter().take(MAX_FAILED).map(error).collect()
}

fn held(held: &BTreeMap<String, HeldTool>) -> Vec<HeldFile> {
    let file = |(file, held): (&String, &HeldTool)| HeldFile {
        file: file.clone(),
        tool: held.name.to_string(),
        version: held.version.to_string(),
        asks_for: held.hold.asks_for(),
    };
    held.iter().take(MAX_FAILED).map(file).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Dependencies of the readiness probe.
struct Probes {
    catalog: Arc<Catalog>,
    api_server: ApiServerHealth,
    stopping: Arc<AtomicBool>,
    sources: SourceStatuses,
    started: Instant,
}

/// Routes of the probes. `stopping` is set once the process was asked to stop.
pub(crate) fn routes(
    catalog: Arc<Catalog>,
    cluster: Arc<Cluster>,
    stopping: Arc<AtomicBool>,
    sources: SourceStatuses,
) -> Router {
    let api_server = ApiServerHealth { cluster, last: Mutex::default() };
    Router::new().route("/healthz", get(|| async { "ok\n" })).route(
        "/readyz",
        get(ready).with_state(Arc::new(Probes {
            catalog,
            api_server,
            stopping,
            sources,
            started: Instant::now(),
        })),
    )
}

fn tool_status(tool: &Tool, snapshot: &Snapshot) -> ToolStatus {
    let origin = snapshot.origins.get(&tool.description.name);
    ToolStatus {
        name: tool.description.name.to_string(),
        version: tool.description.version.to_string(),
        file: tool.file.clone(),
        digest: format!("sha256:{}", tool.digest),
        source: origin.map(|origin| origin.source().to_owned()),
        signed_by: origin.and_then(|origin| origin.signed_by()).map(str::to_owned),
    }
}

/// True while files that were not tried yet keep the host from being ready.
fn is_loading(is_loaded: bool, since_start: Duration) -> bool {
    !is_loaded && since_start < MAX_LOADING
}

/// Returns 200 if tools are served, every file was tried, and the process is not stopping, else 503; the body has details.
async fn ready(State(probes): State<Arc<Probes>>) -> Response {
    let snapshot = probes.catalog.current();
    let reason = probes.api_server.failure().await;
    let stopping = probes.stopping.load(Ordering::Relaxed);
    let loading = is_loading(probes.catalog.is_loaded(), probes.started.elapsed());
    let readiness = Readiness {
        ready: !snapshot.tools.is_empty() && !stopping && !loading,
        stopping,
        loading,
        tools: snapshot.tools.values().map(|tool| tool_status(tool, &snapshot)).collect(),
        failed: failed(&snapshot.failures),
        held: held(&snapshot.held),
        more_failed: snapshot.failures.len().saturating_sub(MAX_FAILED),
        sources: (probes.sources)().into_iter().take(MAX_FAILED).collect(),
        api_server: ApiServer { answers: reason.is_none(), reason },
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_compiled_are_waited_for_and_not_for_ever() {
        assert!(is_loading(false, Duration::ZERO) && !is_loading(true, Duration::ZERO));
        assert!(!is_loading(false, MAX_LOADING));
    }

    #[tokio::test]
    async fn an_api_server_that_hangs_does_not_hold_a_probe() {
        let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{}}}}], \
             clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}",
            hanging.local_addr().unwrap()
        );
        let source = porthole_cluster::Source::Text(kubeconfig);
        let server = porthole_cluster::ApiServer::for_callers(&source, Vec::new()).await.unwrap();
        let health = ApiServerHealth { cluster: Arc::new(Cluster::new(server)), last: Mutex::default() };
        // Not the longer limit of a connection.
        assert_eq!(health.failure().await.unwrap(), "the API server did not answer within 500ms");
    }

    #[test]
    fn as_many_failures_are_listed_as_a_stranger_may_ask_for() {
        let failures = (0..4096).map(|n| (format!("{n:04}.wasm"), "x".repeat(1024))).collect();
        let listed = failed(&failures);
        assert_eq!(listed.last().map(|last| last.file.as_str()), Some("0049.wasm"));
    }
}
