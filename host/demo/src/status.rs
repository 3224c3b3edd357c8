//! API errors in the API server's own words (`k8s.io/apimachinery/pkg/api/errors`).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{kinds::Kind, path::Resource};

/// A `Status` that reports why a request failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}) }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn read_only(what: &str) -> Self {
        let message = format!(
            "the server does not allow this method on the requested resource: this is Porthole's embedded cluster, which only reads ({what})"
        );
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified_name());
        let details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        Self { details, ..Self::new(StatusCode::NOT_FOUND, "NotFound", message) }
    }

    pub(crate) fn forbidden(user: &str, verb: &str, requested: &Resource) -> Self {
        let qualified = match requested.group.as_str() {
            "" => requested.plural.clone(),
            group => format!("{}.{group}", requested.plural),
        };
        let which =
            requested.name.as_ref().map_or_else(|| qualified.clone(), |name| format!("{qualified} {name:?}"));
        let place = match &requested.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{which} is forbidden: User {user:?} cannot {verb} resource {:?} in API group {:?} {place}",
            requested.with_subresource(),
            requested.group
        );
        let mut details = json!({"group": requested.group, "kind": requested.plural});
        if let Some(name) = &requested.name {
            details["name"] = name.as_str().into();
        }
        Self { details, ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message) }
    }

    pub(crate) fn forbidden_path(user: &str, path: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot get path {path:?}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code.as_u16(),
        });
        (self.code, Json(status)).into_response()
    }
}
