//! Mapping of API server errors to failures of the contract.
//!
//! Status by hand, because kube's refuses a body for any field of another type, and the message would be lost with it.

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use porthole_contract::{Failure, Reason, truncate};
use serde::Deserialize;

/// Max bytes of the API server's message in an error: it repeats the request, whatever its length.
const MAX_MESSAGE: usize = 1 << 10;

/// The part of a `meta.k8s.io/v1` Status that explains an error.
#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default)]
    name: String,
}

/// Converts a response with an error status; `what` names the read, for example `pods "web" in namespace shop`.
pub(crate) fn from_status(code: StatusCode, headers: &HeaderMap, body: &[u8], what: &str) -> Failure {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let cause = match status.message.as_str() {
        "" => format!("the API server answered {code}"),
        message => truncate(message, MAX_MESSAGE).to_owned(),
    };
    // A 404 without an object's name means that the path itself is unknown: the cluster does not serve this kind or
    // API.
    let named = status.details.is_some_and(|details| !details.name.is_empty());
    let (reason, message) = match code.as_u16() {
        401 => (
            Reason::Unauthorized,
            format!(
                "unauthorized: the cluster no longer accepts this token ({cause}). Make a new one and enter it in the client."
            ),
        ),
        403 => (
            Reason::Forbidden,
            format!("forbidden: {cause}. Ask for a Role that allows it, or leave it out."),
        ),
        404 if named => {
            (Reason::NotFound, format!("{what}: {cause}. List what there is, or look in another namespace."))
        }
        404 => (Reason::Unsupported, format!("{what}: the cluster does not offer this ({cause})")),
        400 | 405 | 406 | 415 | 422 => (Reason::Invalid, format!("{what}: {cause}")),
        410 => {
            (Reason::Expired, format!("{what}: the continue token has expired; list again from the start"))
        }
        429 => {
            let cause = cause.trim_end_matches('.');
            (Reason::Throttled, format!("{what}: the API server asks to wait: {cause}."))
        }
        500..=599 => (Reason::Unavailable, format!("{what}: {cause}")),
        _ => (Reason::Other, format!("{what}: {cause}")),
    };
    let retry_after_seconds =
        headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    Failure { reason, message, retry_after_seconds }
}

/// Converts a transport error: the API server is unreachable, or its answer broke off.
pub(crate) fn unreachable(what: &str, cause: &dyn std::error::Error) -> Failure {
    // The root cause is the useful part of hyper's error chain.
    let mut root = cause;
    while let Some(deeper) = root.source() {
        root = deeper;
    }
    Failure::new(
        Reason::Unavailable,
        format!("{what}: the API server did not answer ({root}). The same call may work later."),
    )
}

pub(crate) fn over_time(what: &str) -> Failure {
    Failure::new(
        Reason::OverTime,
        format!(
            "{what}: no answer within the call's time limit (`timeout`); ask for less, or narrow it with a selector"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_whatever_stands_beside_it() {
        // Aggregated API servers need not be written in Go: kube's Status would be refused here.
        let body = br#"{"status":503,"code":"busy","message":"metrics are being collected","details":{"causes":{}}}"#;
        let failure =
            from_status(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), body, "nodes.metrics.k8s.io");
        assert_eq!(failure.reason, Reason::Unavailable);
        assert_eq!(failure.message, "nodes.metrics.k8s.io: metrics are being collected");
    }

    #[test]
    fn a_404_is_of_an_object_if_it_has_a_name() {
        for (body, reason) in [
            (r#"{"message":"pods \"web\" not found","details":{"name":"web"}}"#, Reason::NotFound),
            (
                r#"{"message":"the server could not find the requested resource","details":{}}"#,
                Reason::Unsupported,
            ),
            ("404 page not found", Reason::Unsupported),
        ] {
            let failure = from_status(StatusCode::NOT_FOUND, &HeaderMap::new(), body.as_bytes(), "pods");
            assert_eq!(failure.reason, reason, "{body}");
        }
    }
}
