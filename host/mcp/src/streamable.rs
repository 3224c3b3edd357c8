//! Streamable HTTP at `/mcp` and `POST /sse`, served by rmcp: stateless, plain JSON, no session id.
//!
//! Dify fails on the `id:` lines of rmcp's session mode, and opens a second stream if it receives a session id.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use porthole_identity::Caller;
use porthole_tools::Verdict;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    MAX_MESSAGE,
    audit_mark::AuditMark,
    body::{BodyPermits, ReadError, ReceivedBody},
    handler::{Handler, user_agent},
    id::{MAX_ID, OVER_LIMITS, called_tool, within_limits},
    lines,
};

const ACCEPT_BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The rmcp service behind the endpoint.
pub(super) fn service(handler: Handler) -> StreamableHttpService<Handler, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_retry(None)
        // `check_host` validates the Host header, for every path.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(MAX_MESSAGE);
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Middleware in front of rmcp: reads the body within its limits, validates it, and audits calls that rmcp rejects.
///
/// The Accept header is replaced, because rmcp answers 406 to a client that accepts less than both content types, such
/// as curl with `*/*`.
pub(super) async fn accept(
    State((bodies, handler)): State<(BodyPermits, Handler)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let received = match bodies.acquire(&caller.owner, &parts.headers).await {
        Ok(permit) => permit.read(body).await,
        Err(error) => Err(error),
    };
    let body = match received {
        Ok(ReceivedBody::Whole(body)) => body,
        Ok(ReceivedBody::TooLong { .. }) => {
            let text = format!("the message is too long, the limit is {MAX_MESSAGE} bytes\n");
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(error) => return (status(error), format!("{error}\n")).into_response(),
    };
    let client = user_agent(&parts.headers);
    let audit_mark = AuditMark::default();
    let response = if has_long_id(&body) {
        (StatusCode::BAD_REQUEST, "the id of the message is too long\n").into_response()
    } else if !within_limits(&body) {
        (StatusCode::BAD_REQUEST, format!("{OVER_LIMITS}\n")).into_response()
    } else {
        parts.headers.insert(header::ACCEPT, ACCEPT_BOTH);
        parts.extensions.insert(audit_mark.clone());
        next.run(Request::from_parts(parts, Body::from(body.clone()))).await
    };
    if response.status().is_client_error()
        && !audit_mark.is_set()
        && let Some(tool) = called_tool(&body)
    {
        handler.record(&caller, client, &tool, Verdict::Malformed);
    }
    lines::escape_events(response)
}

fn status(error: ReadError) -> StatusCode {
    match error {
        ReadError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ReadError::Slow => StatusCode::REQUEST_TIMEOUT,
        ReadError::Broken => StatusCode::BAD_REQUEST,
    }
}

/// True if the message has an id above [`MAX_ID`] bytes, which the answer would repeat.
fn has_long_id(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message<'b> {
        #[serde(borrow)]
        id: &'b RawValue,
    }
    /// Length of a string's quotes.
    const QUOTES: usize = 2;
    // A message no longer than an id cannot contain a longer one.
    body.len() > MAX_ID
        && serde_json::from_slice(body).is_ok_and(|Message { id }| id.get().len() > MAX_ID + QUOTES)
}

/// Answers GET and DELETE with 405: the endpoint is stateless, without streams or sessions.
pub(super) async fn no_stream() -> Response {
    let text = "POST JSON-RPC messages here; there is no stream to GET. Clients of the older transport connect to /sse.\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_is_seen_wherever_it_stands() {
        let message = |length: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"ping","params":{{"id":7}},"id":"{}"}}"#,
                "x".repeat(length)
            )
        };
        assert!(!has_long_id(message(MAX_ID).as_bytes()));
        assert!(has_long_id(message(MAX_ID + 1).as_bytes()));
        assert!(!has_long_id(br#"{"id":1}"#) && !has_long_id(b"nonsense"));
    }
}
