//! Streamable HTTP at `/mcp` and `POST /sse`, as rmcp serves it: stateless, plain JSON, no session id.
//!
//! Dify dies of the `id:` lines that rmcp's session mode sends, and opens a second stream when it is given a session.

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
    body::{Bodies, Received, Unread},
    handler::{Handler, user_agent},
    id::{IMMODEST, MAX_ID, called_tool, is_modest},
    lines,
    recorded::Recorded,
};

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The endpoint.
pub(super) fn service(handler: Handler) -> StreamableHttpService<Handler, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_retry(None)
        // `hosts` checks them, for every path.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(MAX_MESSAGE);
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Takes a POST: reads its body, hands it to rmcp, and sees to it that every call is recorded.
///
/// A POST that accepts less than both content types, such as curl's `*/*`, is taken for one that accepts both: rmcp
/// would answer 406, which helps nobody.
pub(super) async fn take(
    State((bodies, handler)): State<(Bodies, Handler)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let received = match bodies.enter(&caller.owner, &parts.headers).await {
        Ok(permit) => permit.read(body).await,
        Err(unread) => Err(unread),
    };
    let body = match received {
        Ok(Received::Whole(body)) => body,
        Ok(Received::TooLong { .. }) => {
            let text = format!("the message is too long, the limit is {MAX_MESSAGE} bytes\n");
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(unread) => return (status(unread), format!("{unread}\n")).into_response(),
    };
    let client = user_agent(&parts.headers);
    let recorded = Recorded::default();
    let response = if has_long_id(&body) {
        (StatusCode::BAD_REQUEST, "the id of the message is too long\n").into_response()
    } else if !is_modest(&body) {
        (StatusCode::BAD_REQUEST, format!("{IMMODEST}\n")).into_response()
    } else {
        parts.headers.insert(header::ACCEPT, BOTH);
        parts.extensions.insert(recorded.clone());
        next.run(Request::from_parts(parts, Body::from(body.clone()))).await
    };
    if response.status().is_client_error()
        && !recorded.is_set()
        && let Some(tool) = called_tool(&body)
    {
        handler.record(&caller, client, &tool, Verdict::Malformed);
    }
    lines::escaped_events(response)
}

fn status(unread: Unread) -> StatusCode {
    match unread {
        Unread::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Unread::Slow => StatusCode::REQUEST_TIMEOUT,
        Unread::Broken => StatusCode::BAD_REQUEST,
    }
}

/// Whether the answer would have to repeat more than [`MAX_ID`] bytes of an id.
fn has_long_id(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message<'b> {
        #[serde(borrow)]
        id: &'b RawValue,
    }
    /// The quotes of a string.
    const QUOTES: usize = 2;
    // A message that is no longer than an id needs no look.
    body.len() > MAX_ID
        && serde_json::from_slice(body).is_ok_and(|Message { id }| id.get().len() > MAX_ID + QUOTES)
}

/// There is no stream to open and no session to end here.
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
