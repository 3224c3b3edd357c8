//! MCP server: the 2024-11-05 transport at `/sse`, Streamable HTTP at `/mcp`, and stdio, all with one handler.

mod answer;
mod audit_mark;
mod body;
#[cfg(feature = "fuzz")]
pub mod costs;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod handler;
mod id;
mod lines;
mod notifications;
mod prompts;
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

pub use prompts::{Argument, MAX_TEMPLATE, Prompt, PromptError, Prompts};
pub use sse::Sessions;

use porthole_contract::HostLimits;
use porthole_http::{AllowedHosts, check_host, identify};
use porthole_identity::{Authenticator, Caller};
use porthole_tools::Calls;

use body::BodyPermits;
use handler::{Handler, Transport};

/// Maximum size of a client message. A call's arguments are a few hundred bytes.
const MAX_MESSAGE: usize = 256 << 10;

/// Shutdown signals of the host.
#[derive(Clone, Default)]
pub struct Shutdown {
    /// The shutdown has begun: no more sessions are opened, and subscriptions end.
    begun: CancellationToken,
    /// The grace period is over: open calls end.
    grace_over: CancellationToken,
}

impl Shutdown {
    /// Error for a call that the shutdown ends.
    fn error() -> ErrorData {
        ErrorData::internal_error("this Porthole is stopping; ask again in a moment", None)
    }
}

/// Services behind the main port.
pub struct MainPort {
    /// Executes calls, and holds the catalog of tools.
    pub calls: Arc<Calls>,
    /// Prompts that clients are offered.
    pub prompts: Arc<Prompts>,
    /// Authenticates requests.
    pub authenticator: Arc<Authenticator>,
    /// Accepted values of the Host header.
    pub hosts: AllowedHosts,
    /// Session limits, per host and per caller.
    pub limits: HostLimits,
    /// Unauthenticated routes.
    pub probes: Router,
}

impl MainPort {
    /// Builds the routes of the main port. The returned sessions must be drained before the port closes.
    pub fn routes(self) -> (Router, Arc<Sessions>) {
        let Self { calls, prompts, authenticator, hosts, limits, probes } = self;
        let shutdown = Shutdown::default();
        let handler =
            |transport| Handler::new(Arc::clone(&calls), Arc::clone(&prompts), transport, shutdown.clone());
        let sessions = Arc::new(Sessions::new(handler(Transport::Sse), limits, shutdown.clone()));
        let streamable = handler(Transport::Streamable);
        let bodies = BodyPermits::new();
        let mcp = streamable::service(streamable.clone());
        let authenticated = Router::new()
            .route("/sse", post_service(mcp.clone()))
            .route("/sse/", post_service(mcp.clone()))
            .route("/mcp", post_service(mcp.clone()))
            .route("/mcp/", post_service(mcp))
            .layer(from_fn_with_state((bodies.clone(), streamable), streamable::accept))
            .route("/sse", get(sse::open).with_state(Arc::clone(&sessions)))
            .route("/sse/", get(sse::open).with_state(Arc::clone(&sessions)))
            .layer(from_fn_with_state(Arc::clone(&authenticator), identify));
        let state = sse::MessageState { sessions: Arc::clone(&sessions), authenticator, bodies };
        let messages = || post(sse::message).with_state(state.clone());
        let routes = Router::new()
            // Outside of authentication: a client that tries SSE on every URL must fall back at once.
            .route("/mcp", get(streamable::no_stream).delete(streamable::no_stream))
            .merge(authenticated)
            .route("/messages", messages())
            .route("/sse/messages", messages())
            .merge(probes)
            // Anything but 404 at /.well-known/* or /register makes clients start an OAuth flow that cannot succeed.
            .fallback(|| async {
                (StatusCode::NOT_FOUND, "not found; Porthole answers at /sse, /mcp, /healthz and /readyz\n")
            })
            .layer(from_fn_with_state(Arc::new(hosts), check_host));
        (routes, sessions)
    }
}

/// Serves a client over stdin and stdout until it disconnects.
pub async fn serve_stdio(
    calls: Arc<Calls>,
    prompts: Arc<Prompts>,
    caller: Caller,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut changes = calls.catalog().changes();
    let handler = Handler::new(calls, prompts, Transport::Stdio(caller), Shutdown::default());
    let service = handler.serve(rmcp::transport::stdio()).await?;
    let peer = service.peer().clone();
    let mut service_end = std::pin::pin!(service.waiting());
    loop {
        tokio::select! {
            ended = &mut service_end => {
                ended?;
                return Ok(());
            }
            // A failed send means that the client is disconnecting, which ends the loop.
            Ok(()) = changes.changed() => { let _ = peer.notify_tool_list_changed().await; }
        }
    }
}
