//! Streamable HTTP at `/mcp` and `POST /sse`, as rmcp serves it: stateless, plain JSON, no session id.
//!
//! Dify dies of the `id:` lines that rmcp's session mode sends, and opens a second stream when it is given a session.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};

use super::{LARGEST_MESSAGE, handler::Handler};

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The endpoint.
pub(super) fn service(handler: Handler) -> StreamableHttpService<Handler, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_retry(None)
        // `hosts` checks them, for every path.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(LARGEST_MESSAGE);
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Takes a POST that accepts less than both content types, such as curl's `*/*`, for one that accepts both: rmcp
/// would answer 406, which helps nobody.
pub(super) async fn accept_both(mut request: Request, next: Next) -> Response {
    if request.method() == Method::POST {
        request.headers_mut().insert(header::ACCEPT, BOTH);
    }
    next.run(request).await
}

/// There is no stream to open and no session to end here.
pub(super) async fn no_stream() -> Response {
    let text = "POST JSON-RPC messages here; there is no stream to GET. Clients of the older transport connect to /sse.\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], text).into_response()
}
