//! Messages that a tool sends while it works.

/// Progress of a call.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Units done so far.
    pub done: f64,
    /// Units in total, if the tool knows it.
    pub total: Option<f64>,
    /// A line for the user.
    pub message: String,
}

/// Severity of a tool's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the tool's author.
    Debug,
    /// Normal operation.
    Info,
    /// Unexpected, but the tool continues.
    Warn,
    /// A failure.
    Error,
}

/// A message from a tool.
#[derive(Debug, Clone)]
pub enum Note {
    /// Progress of the call.
    Progress(Progress),
    /// A log line.
    Log(LogLevel, String),
}
