//! Authentication middleware: establishes the caller before any other processing of a request.

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
use porthole_identity::{AuthError, Authenticator, NO_PEER};

use crate::extract_token;

/// `Retry-After` in seconds for an address with too many rejected tokens.
const RETRY_AFTER: &str = "10";

/// The address of a request's client.
pub fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(NO_PEER, |ConnectInfo(address)| address.ip())
}

/// Adds the [`Caller`](porthole_identity::Caller) to the request's extensions and removes the token from its headers,
/// so that later handlers and logs do not see it.
pub async fn identify(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = extract_token(request.headers_mut());
    let peer = peer(request.extensions());
    match authenticator.authenticate(token.as_ref(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            // Dify shows nothing of a rejected connection, so the reason must be in this log.
            tracing::warn!(path = request.uri().path(), %peer, "refused: {error}");
            refusal(&error)
        }
    }
}

/// Response to an unauthenticated request.
pub fn refusal(error: &AuthError) -> Response {
    let text = format!("{error}\n");
    match error {
        AuthError::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
        AuthError::TooManyAttempts => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, RETRY_AFTER)], text).into_response()
        }
        // RFC 6750, section 3: no error code if the request had no token.
        AuthError::Missing => unauthorized("Bearer", text),
        AuthError::Rejected | AuthError::WrongSharedToken => {
            unauthorized("Bearer error=\"invalid_token\"", text)
        }
    }
}

fn unauthorized(challenge: &'static str, text: String) -> Response {
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_was_sent_is_called_invalid() {
        for (error, challenge) in [
            (AuthError::Missing, "Bearer"),
            (AuthError::Rejected, "Bearer error=\"invalid_token\""),
            (AuthError::WrongSharedToken, "Bearer error=\"invalid_token\""),
        ] {
            let response = refusal(&error);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge, "{error}");
        }
    }
}
