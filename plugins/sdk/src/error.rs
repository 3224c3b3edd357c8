//! Errors of tools.

use std::fmt;

use crate::kube_read::{ReadError, Reason};

/// The reason for which a tool has no answer. Its text is for the model: what happened, to what, what to do now.
#[derive(Debug, Clone)]
pub enum Error {
    /// The host refused a read, or the cluster did.
    Read(ReadError),
    /// An argument is missing or does not fit. The host has checked arguments before, so this occurs without it.
    Argument {
        /// The argument's name, as callers write it.
        name: String,
        /// `required: Name of the pod`, `must be at most 5000, not 9999`.
        problem: String,
    },
    /// Anything else that the tool has to say.
    Message(String),
}

impl Error {
    /// The reason of a failed read; None if no read failed.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Read(error) => Some(error.reason),
            Self::Argument { .. } | Self::Message(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(ReadError { message, retry_after_seconds: Some(seconds), .. }) => {
                write!(f, "{message} Ask again in {seconds} s.")
            }
            Self::Read(ReadError { message, .. }) | Self::Message(message) => f.write_str(message),
            Self::Argument { name, problem } => write!(f, "{name} parameter {problem}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

impl From<ReadError> for String {
    fn from(error: ReadError) -> Self {
        Error::Read(error).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_keeps_its_reason_and_says_when_to_ask_again() {
        let read = |retry_after_seconds| {
            Error::from(ReadError {
                reason: Reason::Throttled,
                message: "Too busy.".into(),
                retry_after_seconds,
            })
        };
        assert_eq!(read(Some(3)).to_string(), "Too busy. Ask again in 3 s.");
        assert_eq!(read(None).to_string(), "Too busy.");
        assert_eq!(read(None).reason(), Some(Reason::Throttled));
        assert_eq!(Error::from("no pods").reason(), None);
    }
}
