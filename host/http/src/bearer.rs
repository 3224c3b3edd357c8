//! The caller of a request, established before anything else is done with it.

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
use porthole_identity::{Authenticator, NO_PEER, UnknownCaller};

use crate::take_token;

/// Seconds that a client with too many refused tokens is asked to wait.
const RETRY_AFTER: &str = "10";

/// Returns the address that a request came from.
pub fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(NO_PEER, |ConnectInfo(address)| address.ip())
}

/// Puts the [`Caller`](porthole_identity::Caller) of a request into its extensions, and takes the token out of it: what
/// handles the request later, or logs it, has no use for it.
pub async fn identify(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = take_token(request.headers_mut());
    let peer = peer(request.extensions());
    match authenticator.authenticate(token.as_ref(), peer).await {
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
pub fn refusal(unknown: &UnknownCaller) -> Response {
    let text = format!("{unknown}\n");
    match unknown {
        UnknownCaller::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
        UnknownCaller::TooManyAttempts => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, RETRY_AFTER)], text).into_response()
        }
        // RFC 6750, section 3: no error code for a request without a token.
        UnknownCaller::Missing => unauthorized("Bearer", text),
        UnknownCaller::Refused | UnknownCaller::WrongSharedToken => {
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
        for (unknown, challenge) in [
            (UnknownCaller::Missing, "Bearer"),
            (UnknownCaller::Refused, "Bearer error=\"invalid_token\""),
            (UnknownCaller::WrongSharedToken, "Bearer error=\"invalid_token\""),
        ] {
            let response = refusal(&unknown);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge, "{unknown}");
        }
    }
}
