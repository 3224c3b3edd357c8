//! The 2024-11-05 transport, which Dify speaks at `/sse`: a stream to the client, and POSTs from it.
//!
//! The rules that Dify's client makes necessary (`research/dify-verified.md`), and where each is kept:
//! the endpoint event in the first write, a path only, never `id:` or `retry:` ([`stream`]); comments soon after each
//! response, for only a write shows that Dify has left ([`stream`]); 202 at once for the session's own client, and every failure as a
//! JSON-RPC error on the stream with the request's own id ([`mod@message`]); exactly one response an id ([`session::Pending`]); an error
//! for every open request before a stream ends, or the body is cut ([`session`], [`stream`]).

mod message;
mod outbox;
mod session;
mod stream;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) use message::{Taking, message};
pub use session::Sessions;

use porthole_identity::Caller;

/// `GET /sse`: opens a session for the caller.
pub(super) async fn open(
    State(sessions): State<Arc<Sessions>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let opened = match sessions.open(&caller) {
        Ok(opened) => opened,
        Err(refused) => {
            tracing::warn!(caller = caller.owner.username, "refused a session: {refused}");
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{refused}\n")).into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(stream::body(opened))).into_response()
}
