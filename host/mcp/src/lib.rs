//! Speaking MCP: the 2024-11-05 transport at `/sse`, Streamable HTTP at `/mcp`, and stdio, with one handler for all.

mod answer;
mod body;
mod handler;
mod id;
mod lines;
mod notifications;
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

pub use sse::Sessions;

use porthole_contract::HostLimits;
use porthole_http::{AllowedHosts, check_host, identify};
use porthole_identity::{Authenticator, Caller};
use porthole_tools::Calls;

use body::Bodies;
use handler::{Handler, Transport};

/// One message of a client at most. A call's arguments are a few hundred bytes.
const MAX_MESSAGE: usize = 256 << 10;

/// How the host stops.
#[derive(Clone, Default)]
pub struct Stop {
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
pub struct Site {
    /// Runs calls, and knows the tools.
    pub calls: Arc<Calls>,
    /// Authenticates requests.
    pub authenticator: Arc<Authenticator>,
    /// The names that requests may be for.
    pub hosts: AllowedHosts,
    /// Sessions, in all and per caller.
    pub limits: HostLimits,
    /// Routes that need no token.
    pub probes: Router,
}

impl Site {
    /// The routes of the main port, and its sessions, which must be drained before the port closes.
    pub fn routes(self) -> (Router, Arc<Sessions>) {
        let Self { calls, authenticator, hosts, limits, probes } = self;
        let stop = Stop::default();
        let handler = |transport| Handler::new(Arc::clone(&calls), transport, stop.clone());
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
            .layer(from_fn_with_state(Arc::clone(&authenticator), identify));
        let taking = sse::Taking { sessions: Arc::clone(&sessions), authenticator, bodies };
        let messages = || post(sse::message).with_state(taking.clone());
        let routes = Router::new()
            // Before authentication: a client that tries SSE on every URL must fall back at once.
            .route("/mcp", get(streamable::no_stream).delete(streamable::no_stream))
            .merge(authenticated)
            .route("/messages", messages())
            .route("/sse/messages", messages())
            .merge(probes)
            // Anything but 404 at /.well-known/* or /register starts an OAuth flow in clients that leads nowhere.
            .fallback(|| async {
                (StatusCode::NOT_FOUND, "not found; Porthole answers at /sse, /mcp, /healthz and /readyz\n")
            })
            .layer(from_fn_with_state(Arc::new(hosts), check_host));
        (routes, sessions)
    }
}

/// Serves one client over stdin and stdout until it leaves.
pub async fn serve_stdio(
    calls: Arc<Calls>,
    caller: Caller,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut changes = calls.catalog().changes();
    let handler = Handler::new(calls, Transport::Stdio(caller), Stop::default());
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
