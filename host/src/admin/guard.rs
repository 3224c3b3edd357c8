//! Who sees the operator's page off loopback: an account of the cluster with the right that `admin.requires` names.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{Admin, escape};
use crate::{
    config::Requirement,
    foreign::Printable,
    identity::{Caller, UnknownCaller},
    kube::{AccessQuery, Allowance, Credential, Failure, Kind, can_i},
    mcp::{peer, refusal},
};

/// How long the API server may take to answer an access review.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;

/// Lets visitors with the required right in. Browsers ask for a token as a password: the user name may be anything.
pub(super) async fn visitor(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let Some(requirement) = &admin.guarded else { return next.run(request).await };
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(escape::bearer);
    let caller = match admin.callers.of(authorization.as_ref(), peer(request.extensions())).await {
        Ok(caller) => caller,
        Err(unknown @ (UnknownCaller::Unreachable(_) | UnknownCaller::TooManyAttempts)) => {
            return refusal(&unknown);
        }
        Err(unknown) => return unauthorized(&unknown),
    };
    match may(&admin, &caller, requirement).await {
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

/// Asks the API server with the visitor's own token. Whoever has the shared token of `--identity host` is the operator.
async fn may(admin: &Admin, caller: &Caller, requirement: &Requirement) -> Result<bool, Failure> {
    if matches!(caller.credential, Credential::Connection) {
        return Ok(true);
    }
    let kind = Kind {
        group: requirement.group.clone(),
        version: "*".to_owned(),
        plural: requirement.resource.clone(),
        singular: String::new(),
        kind: String::new(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
    };
    let query = AccessQuery {
        verb: requirement.verb.clone(),
        subresource: None,
        namespace: Some(namespace(admin, requirement).to_owned()),
        name: requirement.name.clone(),
    };
    let deadline = Instant::now().checked_add(REVIEW_TIME).unwrap_or_else(Instant::now);
    let allowance = Allowance::new(deadline, REVIEW_BYTES, usize::MAX);
    match can_i(&admin.cluster.server, &caller.credential, &kind, &query, &allowance).await {
        Ok(verdict) => Ok(verdict.allowed),
        // Revoked since it was remembered.
        Err(failure) if failure.reason == crate::kube::Reason::Unauthorized => {
            admin.callers.forget(caller).await;
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

fn namespace<'a>(admin: &'a Admin, requirement: &'a Requirement) -> &'a str {
    requirement.namespace.as_deref().unwrap_or_else(|| admin.cluster.server.default_namespace())
}

fn forbidden(admin: &Admin, caller: &Caller, requirement: &Requirement) -> String {
    format!(
        "forbidden: {} may not {requirement} in namespace {}, which this page asks of its visitors, for it shows everybody's calls. Ask for a Role with that right; the operator can name another under admin.requires, or use kubectl port-forward with --admin-listen 127.0.0.1:9090.",
        Printable(&caller.owner.username),
        namespace(admin, requirement),
    )
}

fn unauthorized(unknown: &UnknownCaller) -> Response {
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
