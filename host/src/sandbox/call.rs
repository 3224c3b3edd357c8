//! The interface `porthole:tool/call`: what a tool may know of the call it serves, and say while it works.

use super::{
    state::{Progress, State},
    world::call::{Host, Level},
};

/// A tool's message in the operator's log is cut to this many bytes.
const LOGGED: usize = 4 << 10;

impl Host for State {
    async fn default_namespace(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reading.default_namespace().to_owned())
    }

    async fn output_budget(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call()?.output)
    }

    async fn progress(&mut self, done: f64, total: Option<f64>, message: String) -> wasmtime::Result<()> {
        if let Some(progress) = &self.call()?.progress {
            // A client that reads slowly misses steps; the tool does not wait for it.
            let _ = progress.try_send(Progress { done, total, message });
        }
        Ok(())
    }

    async fn log(&mut self, level: Level, mut message: String) -> wasmtime::Result<()> {
        let tool = &self.call()?.tool;
        message.truncate(message.floor_char_boundary(LOGGED));
        match level {
            Level::Debug => tracing::debug!(tool, message, "the tool says"),
            Level::Info => tracing::info!(tool, message, "the tool says"),
            Level::Warn => tracing::warn!(tool, message, "the tool says"),
            Level::Error => tracing::error!(tool, message, "the tool says"),
        }
        Ok(())
    }
}
