//! Why a read failed, in the words of the contract (`wit/porthole.wit`, `read-error`).

/// Error category of a read, for a program to decide by. The same cases as `reason` in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not declared by the tool, or closed by the operator.
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
    /// The call has asked for more than its `reads`.
    OverReads,
    /// The call has asked for more than its `readBytes`.
    OverBytes,
    /// The call's `timeout` came before the answer.
    OverTime,
    /// One answer does not fit into the component.
    TooLarge,
    /// The API server answered 429.
    Throttled,
    /// The cluster does not offer it.
    Unsupported,
    /// The API server, a kubelet or an aggregated API did not answer.
    Unavailable,
    /// Anything else; the message says what.
    Other,
}

/// A read that failed. The message is fit to be shown to a model: what happened, to what, what to do now.
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
    /// A failure that no API server asked to wait for.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after_seconds: None }
    }
}
