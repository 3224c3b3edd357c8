//! The interface `porthole:tool/call`: what a tool may know of the call it serves, and say while it works.

use super::{
    state::{LogLevel, Note, Progress, State},
    world::call::{Host, Level},
};

/// A tool's message is cut to this many bytes.
const LOGGED: usize = 4 << 10;

impl Host for State {
    async fn default_namespace(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reading.default_namespace().to_owned())
    }

    async fn namespaces(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.namespaces.clone())
    }

    async fn output_budget(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call()?.output)
    }

    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(now.map_or(0, |now| now.as_secs()))
    }

    async fn progress(&mut self, done: f64, total: Option<f64>, message: String) -> wasmtime::Result<()> {
        self.note(Note::Progress(Progress { done, total, message }))
    }

    async fn log(&mut self, level: Level, mut message: String) -> wasmtime::Result<()> {
        let tool = &self.call()?.tool;
        message.truncate(message.floor_char_boundary(LOGGED));
        let level = match level {
            Level::Debug => {
                tracing::debug!(tool, message, "the tool says");
                LogLevel::Debug
            }
            Level::Info => {
                tracing::info!(tool, message, "the tool says");
                LogLevel::Info
            }
            Level::Warn => {
                tracing::warn!(tool, message, "the tool says");
                LogLevel::Warn
            }
            Level::Error => {
                tracing::error!(tool, message, "the tool says");
                LogLevel::Error
            }
        };
        self.note(Note::Log(level, message))
    }
}

impl State {
    /// Tells the client, if it wants to know. One that reads slowly misses notes; the tool does not wait for it.
    fn note(&self, note: Note) -> wasmtime::Result<()> {
        if let Some(notes) = &self.call()?.notes {
            let _ = notes.try_send(note);
        }
        Ok(())
    }
}
