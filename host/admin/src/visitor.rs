//! Authorization of the admin page off loopback: cluster accounts with the right configured in `admin.requires`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use porthole_contract::{Failure, Printable, Reason, Requirement};
use porthole_http::{extract_token_or_password, peer, refusal};
use porthole_identity::{AuthError, Caller};

use super::Admin;

/// Admits visitors with the required right. Browsers send the token as a password; the user name is ignored.
pub(super) async fn admit(State(admin): State<Arc<Admin>>, mut request: Request, next: Next) -> Response {
    let Some(requirement) = &admin.requirement else { return next.run(request).await };
    let token = extract_token_or_password(request.headers_mut());
    let caller = match admin.authenticator.authenticate(token.as_ref(), peer(request.extensions())).await {
        Ok(caller) => caller,
        Err(unknown @ (AuthError::Unreachable(_) | AuthError::TooManyAttempts)) => {
            return refusal(&unknown);
        }
        Err(unknown) => return unauthorized(&unknown),
    };
    match is_allowed(&admin, &caller, requirement).await {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            let text = forbidden(&admin, &caller, requirement);
            tracing::warn!("refused a visitor of the operator's page: {text}");
            (StatusCode::FORBIDDEN, format!("{text}\n")).into_response()
        }
        Err(failure) => {
            let text = format!("whether you may see this page cannot be learnt now: {failure}\n");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// Checks the right at the API server, with the visitor's own token.
async fn is_allowed(admin: &Admin, caller: &Caller, requirement: &Requirement) -> Result<bool, Failure> {
    match admin.guard.is_allowed(&caller.credential, requirement).await {
        // Revoked since its identity was cached.
        Err(failure) if failure.reason == Reason::Unauthorized => {
            admin.authenticator.forget(caller).await;
            Ok(false)
        }
        result => result,
    }
}

/// Text of a 403, for the visitor and the log.
fn forbidden(admin: &Admin, caller: &Caller, requirement: &Requirement) -> String {
    format!(
        "forbidden: {} may not {requirement} in namespace {}, which this page asks of its visitors, for it shows everybody's calls. Ask for a Role with that right; the operator can name another under admin.requires, or use kubectl port-forward with --admin-listen 127.0.0.1:9090.",
        Printable(&caller.owner.username),
        admin.guard.namespace_of(requirement),
    )
}

/// Response that makes a browser ask for the token. [`refusal`] asks for a bearer token, which a browser cannot enter.
fn unauthorized(unknown: &AuthError) -> Response {
    let text = format!(
        "{unknown}\nIn a browser: any user name, and the token as the password. With curl: -H \"Authorization: Bearer $TOKEN\"\n"
    );
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Basic realm=\"Porthole: any name, a token as the password\"")],
        text,
    )
        .into_response()
}
