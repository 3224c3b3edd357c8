//! What a tool says while it works, for the client that waits: progress, and messages.
#![expect(
    deprecated,
    reason = "MCP will drop logging (SEP-2577); every client of today's handshake versions still has it"
)]

use std::borrow::Cow;

use porthole_contract::{LogLevel, Note};
use rmcp::model::{
    LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParam, ProgressNotification,
    ProgressNotificationParam, ProgressToken, ServerCapabilities, ServerNotification,
};

/// What this server can do: tools, word of it when they change, and their messages.
pub(super) fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging().build()
}

/// The level that a client asks for, in a tool's words: MCP has eight, a tool four.
pub(super) fn level(asked: LoggingLevel) -> LogLevel {
    match asked {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info => LogLevel::Info,
        LoggingLevel::Notice | LoggingLevel::Warning => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// What a client wants to be told while its call goes on.
pub(super) struct Subscribed {
    /// It asked for progress, under this token.
    pub(super) token: Option<ProgressToken>,
    /// From this level on it is sent messages.
    pub(super) level: Option<LogLevel>,
    pub(super) tool: Cow<'static, str>,
}

impl Subscribed {
    /// Whether there is anything that it wants to know.
    pub(super) fn anything(&self) -> bool {
        self.token.is_some() || self.level.is_some()
    }

    /// What is sent to it of a note; None where it did not ask.
    pub(super) fn notification(&self, note: Note) -> Option<ServerNotification> {
        match note {
            Note::Progress(step) => {
                let mut param = ProgressNotificationParam::new(self.token.clone()?, step.done);
                param.total = step.total;
                param.message = Some(step.message);
                Some(ProgressNotification::new(param).into())
            }
            Note::Log(level, message) => {
                if level < self.level? {
                    return None;
                }
                let level = match level {
                    LogLevel::Debug => LoggingLevel::Debug,
                    LogLevel::Info => LoggingLevel::Info,
                    LogLevel::Warn => LoggingLevel::Warning,
                    LogLevel::Error => LoggingLevel::Error,
                };
                let param = LoggingMessageNotificationParam::new(level, message.into())
                    .with_logger(self.tool.clone());
                Some(LoggingMessageNotification::new(param).into())
            }
        }
    }
}
