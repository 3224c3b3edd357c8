//! Messages of a tool while it works.

/// Progress of a call.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Units done so far.
    pub done: f64,
    /// Units in all, if the tool knows them.
    pub total: Option<f64>,
    /// A line for people.
    pub message: String,
}

/// Severity of a tool's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the tool's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd, and the tool goes on.
    Warn,
    /// Something failed.
    Error,
}

/// A message of a tool.
#[derive(Debug, Clone)]
pub enum Note {
    /// Its progress.
    Progress(Progress),
    /// A line of its log.
    Log(LogLevel, String),
}
