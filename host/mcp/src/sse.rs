//! The 2024-11-05 transport at `/sse`, which Dify uses: a stream to the client, and POSTs from it.
//!
//! Requirements of Dify's client (`docs/research/dify-verified.md`), and the module that implements each: the endpoint
//! event in the first write, as a path, never `id:` or `retry:` ([`stream`]); comments soon after each response, because only
//! a write detects that Dify has disconnected ([`stream`]); 202 at once for the session's own client, and every failure
//! as a JSON-RPC error on the stream with the id of its request ([`mod@message`]); exactly one response per id
//! ([`pending::Pending`]); an error for every open request before a stream ends, or a broken body ([`session`],
//! [`stream`]).

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod message;
mod outbox;
mod pending;
mod session;
mod stream;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) use message::{MessageState, message};
pub use session::Sessions;

use porthole_identity::Caller;

/// `GET /sse`: opens a session for the caller.
pub(super) async fn open(
    State(sessions): State<Arc<Sessions>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let session = match sessions.open(&caller) {
        Ok(session) => session,
        Err(error) => {
            tracing::warn!(caller = caller.owner.username, "refused a session: {error}");
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(stream::body(session))).into_response()
}
