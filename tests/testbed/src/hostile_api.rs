//! Hostile API server: plain HTTP, with responses that the test chooses.
//!
//! A real one cannot be made to answer a table request with an object, or discovery with a path; an aggregated API, an
//! old version or a man in the middle can.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Status and body for a path with its query; `None` for the regular response.
pub type Lies = fn(&str) -> Option<(u16, String)>;

/// A server on loopback; stopped on drop.
pub struct HostileApi {
    pub kubeconfig: PathBuf,
    seen: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Server {
    lies: Lies,
    seen: Arc<Mutex<Vec<String>>>,
}

impl HostileApi {
    /// Starts the server. Every token authenticates as the user `visitor`.
    pub async fn start(lies: Lies) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "hostile", "users": [],
            "clusters": [{"name": "hostile", "cluster": {"server": format!("http://{}", listener.local_addr()?)}}],
            "contexts": [{"name": "hostile", "context": {"cluster": "hostile", "user": ""}}],
        });
        std::fs::write(&kubeconfig, text.to_string())?;
        let seen = Arc::new(Mutex::default());
        let server = Server { lies, seen: Arc::clone(&seen) };
        let routes = Router::new().fallback(answer).with_state(server);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { kubeconfig, seen, _folder: folder, task })
    }

    /// Requested paths, in order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic while it is held").clone()
    }
}

impl Drop for HostileApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    server.seen.lock().expect("no panic while it is held").push(path.clone());
    let answer = (server.lies)(&path).or_else(|| usual(&path).map(|body| (200, body.to_string())));
    let (status, body) = answer.unwrap_or_else(|| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"});
        (404, status.to_string())
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry = (status == StatusCode::TOO_MANY_REQUESTS).then(|| retry_after(&body)).flatten();
    let mut response =
        (status, [(header::CONTENT_TYPE, "application/json")], Bytes::from(body)).into_response();
    if let Some(retry) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, retry);
    }
    response
}

/// Header of a 429: an API server names the same wait there as in the details of the status.
fn retry_after(body: &str) -> Option<HeaderValue> {
    let status: Value = serde_json::from_str(body).ok()?;
    let wait = status.pointer("/details/retryAfterSeconds")?.to_string();
    HeaderValue::from_str(&wait).ok()
}

/// Regular response of an API server.
fn usual(path: &str) -> Option<Value> {
    let path = path.split('?').next().unwrap_or(path);
    let resource = |plural: &str, kind: &str, scope: &str| {
        json!({"resource": plural, "responseKind": {"group": "", "version": "v1", "kind": kind}, "scope": scope,
            "singularResource": kind.to_lowercase(), "verbs": ["get", "list"]})
    };
    Some(match path {
        "/version" => json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}),
        "/api" => {
            json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [{"versions": [{"version": "v1", "resources": [
            resource("namespaces", "Namespace", "Cluster"), resource("secrets", "Secret", "Namespaced"),
            resource("configmaps", "ConfigMap", "Namespaced"), resource("pods", "Pod", "Namespaced")]}]}]})
        }
        "/apis" => {
            json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": []})
        }
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            json!({"status": {"userInfo": {"username": "visitor", "uid": "visitor-1", "groups": ["system:authenticated"]}}})
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => json!({"status": {"allowed": true}}),
        "/api/v1/namespaces" => {
            json!({"kind": "NamespaceList", "metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "default"}}]})
        }
        _ => return None,
    })
}
