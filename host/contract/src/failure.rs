//! Errors of reads, as `read-error` in the contract (`wit/porthole.wit`).

/// Error category of a read, for programs to decide by. The same cases as `reason` in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not declared by the tool, or denied by the operator.
    NotGranted,
    /// The API server answered 401: the token has expired or was revoked.
    Unauthorized,
    /// The API server answered 403: RBAC does not let this caller read it.
    Forbidden,
    /// The API server answered 404 for an object.
    NotFound,
    /// No kind of that name is served.
    UnknownKind,
    /// A bad selector, name or field path.
    Invalid,
    /// The API server answered 410: the continue token is too old.
    Expired,
    /// The call has exceeded `reads`.
    OverReads,
    /// The call has exceeded `readBytes`.
    OverBytes,
    /// The call's `timeout` passed before the answer.
    OverTime,
    /// One answer does not fit into the component.
    TooLarge,
    /// The API server answered 429.
    Throttled,
    /// The cluster does not support it.
    Unsupported,
    /// The API server, a kubelet or an aggregated API did not answer.
    Unavailable,
    /// Anything else; the message describes it.
    Other,
}

/// A failed read. The message is fit for a model: what happened, to what, and what to do now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The category.
    pub reason: Reason,
    /// The explanation.
    pub message: String,
    /// Seconds that the API server asked to wait.
    pub retry_after_seconds: Option<u32>,
}

impl Failure {
    /// Creates a failure without `retry_after_seconds`.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after_seconds: None }
    }
}
