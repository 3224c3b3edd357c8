//! Whose request this is, before anything else is done with it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::identity::{Callers, UnknownCaller};

/// Puts the [`Caller`](crate::identity::Caller) of a request into its extensions, and takes the token out of it: what
/// handles the request later, or logs it, has no use for it.
pub(super) async fn identify(
    State(callers): State<Arc<Callers>>,
    mut request: Request,
    next: Next,
) -> Response {
    let authorization = request.headers_mut().remove(header::AUTHORIZATION);
    match callers.of(authorization.as_ref()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(unknown) => {
            // Dify shows nothing of a refused connection, so the reason must stand here.
            tracing::warn!(path = request.uri().path(), "refused: {unknown}");
            refusal(&unknown)
        }
    }
}

fn refusal(unknown: &UnknownCaller) -> Response {
    let text = format!("{unknown}\n");
    match unknown {
        UnknownCaller::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
        UnknownCaller::Missing | UnknownCaller::Refused | UnknownCaller::WrongSharedToken => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
        }
    }
}
