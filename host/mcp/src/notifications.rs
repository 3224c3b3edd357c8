//! Notifications during a call: progress and log messages of a tool.
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

/// Server capabilities: tools, change notifications, log messages, and prompts if there are any.
pub(super) fn capabilities(has_prompts: bool) -> ServerCapabilities {
    let tools = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging();
    if has_prompts { tools.enable_prompts().build() } else { tools.build() }
}

/// Maps the client's log level to a tool's: MCP has eight levels, a tool four.
pub(super) fn level(requested: LoggingLevel) -> LogLevel {
    match requested {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info => LogLevel::Info,
        LoggingLevel::Notice | LoggingLevel::Warning => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// A client's subscription to the notifications of one call.
pub(super) struct Subscription {
    /// Progress token, if the client requested progress.
    pub(super) token: Option<ProgressToken>,
    /// Minimum level of log messages, if the client requested them.
    pub(super) level: Option<LogLevel>,
    pub(super) tool: Cow<'static, str>,
}

impl Subscription {
    /// True if anything was subscribed to.
    pub(super) fn is_active(&self) -> bool {
        self.token.is_some() || self.level.is_some()
    }

    /// Converts a note of the tool; `None` if the client did not subscribe to it.
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
