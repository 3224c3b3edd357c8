//! Whose request this is, before anything else is done with it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Extensions, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::identity::{Callers, NO_PEER, UnknownCaller};

/// Seconds that a client with too many refused tokens is asked to wait.
const RETRY_AFTER: &str = "10";

/// Returns the address that a request came from.
pub(crate) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(NO_PEER, |ConnectInfo(address)| address.ip())
}

/// Puts the [`Caller`](crate::identity::Caller) of a request into its extensions, and takes the token out of it: what
/// handles the request later, or logs it, has no use for it.
pub(super) async fn identify(
    State(callers): State<Arc<Callers>>,
    mut request: Request,
    next: Next,
) -> Response {
    let authorization = request.headers_mut().remove(header::AUTHORIZATION);
    let peer = peer(request.extensions());
    match callers.of(authorization.as_ref(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(unknown) => {
            // Dify shows nothing of a refused connection, so the reason must stand here.
            tracing::warn!(path = request.uri().path(), %peer, "refused: {unknown}");
            refusal(&unknown)
        }
    }
}

/// The answer to a request without a caller.
pub(crate) fn refusal(unknown: &UnknownCaller) -> Response {
    let text = format!("{unknown}\n");
    match unknown {
        UnknownCaller::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
        UnknownCaller::TooManyAttempts => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, RETRY_AFTER)], text).into_response()
        }
        UnknownCaller::Missing | UnknownCaller::Refused | UnknownCaller::WrongSharedToken => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
        }
    }
}
