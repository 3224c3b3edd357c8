//! Speaking MCP: the 2024-11-05 transport at `/sse`, Streamable HTTP at `/mcp`, and stdio, with one handler for all.
//!
//! Knows: HTTP, MCP, callers, tools by name. Does not know: Kubernetes, components.

mod answer;
mod bearer;
mod body;
mod handler;
mod health;
mod hosts;
mod id;
mod lines;
mod notes;
mod recorded;
mod sse;
mod streamable;

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{get, post, post_service},
};
use rmcp::{ErrorData, ServiceExt};
use tokio_util::sync::CancellationToken;

pub(crate) use bearer::{peer, refusal};
pub(crate) use health::ApiServerHealth;
pub(crate) use hosts::{AllowedHosts, check as check_host};
pub(crate) use sse::Sessions;

use crate::{
    identity::{Caller, Callers},
    limits::HostLimits,
    plugins::Plugins,
};
use body::Bodies;
use handler::{Handler, Transport};

/// One message of a client at most. A call's arguments are a few hundred bytes.
const MAX_MESSAGE: usize = 256 << 10;

/// How the host stops.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    /// No more sessions are opened, and subscriptions end.
    begun: CancellationToken,
    /// The time of grace is over: calls that are still open end.
    over: CancellationToken,
}

impl Stop {
    /// The answer to a call that the end of the host ends.
    fn error() -> ErrorData {
        ErrorData::internal_error("this Porthole is stopping; ask again in a moment", None)
    }
}

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
        let stop = Stop::default();
        let handler =
            |transport| Handler::new(Arc::clone(&plugins), Arc::clone(&callers), transport, stop.clone());
        let sessions = Arc::new(Sessions::new(handler(Transport::Sse), limits, stop.clone()));
        let streamable = handler(Transport::Streamable);
        let bodies = Bodies::new();
        let mcp = streamable::service(streamable.clone());
        let authenticated = Router::new()
            .route("/sse", post_service(mcp.clone()))
            .route("/sse/", post_service(mcp.clone()))
            .route("/mcp", post_service(mcp.clone()))
            .route("/mcp/", post_service(mcp))
            .layer(from_fn_with_state((bodies.clone(), streamable), streamable::take))
            .route("/sse", get(sse::open).with_state(Arc::clone(&sessions)))
            .route("/sse/", get(sse::open).with_state(Arc::clone(&sessions)))
            .layer(from_fn_with_state(Arc::clone(&callers), bearer::identify));
        let taking = sse::Taking { sessions: Arc::clone(&sessions), callers, bodies };
        let messages = || post(sse::message).with_state(taking.clone());
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
    let handler = Handler::new(plugins, callers, Transport::Stdio(caller), Stop::default());
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
