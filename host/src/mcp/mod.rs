//! Speaking MCP: the 2024-11-05 transport at `/sse`, Streamable HTTP at `/mcp`, and stdio, with one handler for all.
//!
//! Knows: HTTP, MCP, callers, tools by name. Does not know: Kubernetes, components.

mod bearer;
mod handler;
mod health;
mod hosts;
mod notes;
mod sse;
mod streamable;

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use rmcp::ServiceExt;
use tokio_util::sync::CancellationToken;

pub(crate) use health::ApiServerHealth;
pub(crate) use hosts::{AllowedHosts, check as check_host};
pub(crate) use sse::Sessions;

use crate::{
    identity::{Caller, Callers},
    limits::HostLimits,
    plugins::Plugins,
};
use handler::{Handler, Transport};

/// One message of a client at most. A call's arguments are a few hundred bytes.
const LARGEST_MESSAGE: usize = 1 << 20;

/// Everything that the main port serves.
pub(crate) struct Site {
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) hosts: AllowedHosts,
    pub(crate) limits: HostLimits,
    pub(crate) health: ApiServerHealth,
}

impl Site {
    /// The routes of the main port, and its sessions, which must be drained before the port closes.
    pub(crate) fn routes(self) -> (Router, Arc<Sessions>) {
        let Self { plugins, callers, hosts, limits, health } = self;
        let stopping = CancellationToken::new();
        let handler =
            |transport| Handler::new(Arc::clone(&plugins), Arc::clone(&callers), transport, stopping.clone());
        let sessions = Arc::new(Sessions::new(handler(Transport::Sse), limits, stopping.clone()));
        let mcp = streamable::service(handler(Transport::Streamable));
        let authenticated = Router::new()
            .route("/sse", get(sse::open).with_state(Arc::clone(&sessions)).post_service(mcp.clone()))
            .route("/sse/", get(sse::open).with_state(Arc::clone(&sessions)).post_service(mcp.clone()))
            .route("/mcp", axum::routing::post_service(mcp.clone()))
            .route("/mcp/", axum::routing::post_service(mcp))
            .layer(from_fn(streamable::accept_both))
            .layer(from_fn_with_state(Arc::clone(&callers), bearer::identify));
        let messages = || post(sse::message).with_state((Arc::clone(&sessions), Arc::clone(&callers)));
        let routes = Router::new()
            // Before authentication: a client that tries SSE on every URL must fall back at once.
            .route("/mcp", get(streamable::no_stream).delete(streamable::no_stream))
            .merge(authenticated)
            .route("/messages", messages())
            .route("/sse/messages", messages())
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(health::ready).with_state((plugins, Arc::new(health))))
            // Anything but 404 at /.well-known/* or /register starts an OAuth flow in clients that leads nowhere.
            .fallback(|| async {
                (StatusCode::NOT_FOUND, "not found; Porthole answers at /sse, /mcp, /healthz and /readyz\n")
            })
            .layer(from_fn_with_state(Arc::new(hosts), hosts::check));
        (routes, sessions)
    }
}

/// Serves one client over stdin and stdout until it leaves.
pub(crate) async fn serve_stdio(
    plugins: Arc<Plugins>,
    callers: Arc<Callers>,
    caller: Caller,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut changes = plugins.changes();
    let handler = Handler::new(plugins, callers, Transport::Stdio(caller), CancellationToken::new());
    let service = handler.serve(rmcp::transport::stdio()).await?;
    let peer = service.peer().clone();
    let mut ended = std::pin::pin!(service.waiting());
    loop {
        tokio::select! {
            ended = &mut ended => {
                ended?;
                return Ok(());
            }
            // Where it cannot be sent the client is about to leave, and that ends the loop.
            Ok(()) = changes.changed() => { let _ = peer.notify_tool_list_changed().await; }
        }
    }
}
