//! Fake API server for unit tests: the same answer to every request, over plain HTTP on loopback.

use axum::{Router, body::Bytes};

use super::{ApiServer, Source};

/// Connects to a server that answers every request with `body`. It ends with the test.
pub(super) async fn answering(body: impl Into<Bytes>) -> ApiServer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let body = body.into();
    let routes = Router::new().fallback(move || std::future::ready(body.clone()));
    tokio::spawn(async { axum::serve(listener, routes).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{}}}}],
        clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    );
    ApiServer::for_callers(&Source::Text(kubeconfig), Vec::new()).await.unwrap()
}
