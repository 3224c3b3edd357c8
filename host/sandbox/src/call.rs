//! The interface `porthole:tool/call`: what a tool may know of the call it serves, and say while it works.

use porthole_contract::{LogLevel, Note, Printable, Progress};

use super::{
    state::{LogDecision, State},
    world::call::{Host, Level},
};

/// Bytes of a tool's message, in the log or as progress; a longer one is cut.
const MAX_MESSAGE: usize = 4 << 10;

impl Host for State {
    async fn default_namespace(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reader.default_namespace().to_owned())
    }

    async fn preferred_namespace(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.reader.preferred_namespace().map(str::to_owned))
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

    async fn progress(&mut self, done: f64, total: Option<f64>, mut message: String) -> wasmtime::Result<()> {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        self.note(Note::Progress(Progress { done, total, message }))
    }

    async fn log(&mut self, level: Level, mut message: String) -> wasmtime::Result<()> {
        self.call()?;
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        match self.log.take(message.len()) {
            LogDecision::Logged => {}
            LogDecision::FirstDropped => {
                "it logs too much; what follows in this call is dropped".clone_into(&mut message)
            }
            LogDecision::Dropped => return Ok(()),
        }
        let tool = &*self.call()?.tool;
        // A line break in it would begin a line that looks like ours.
        let text = Printable(&message);
        let level = match level {
            Level::Debug => {
                tracing::debug!(tool, "the tool says: {text}");
                LogLevel::Debug
            }
            Level::Info => {
                tracing::info!(tool, "the tool says: {text}");
                LogLevel::Info
            }
            Level::Warn => {
                tracing::warn!(tool, "the tool says: {text}");
                LogLevel::Warn
            }
            Level::Error => {
                tracing::error!(tool, "the tool says: {text}");
                LogLevel::Error
            }
        };
        self.note(Note::Log(level, message))
    }
}

impl State {
    /// Sends a note if the client asked for notes. A client that reads slowly misses some; the tool does not wait.
    fn note(&self, note: Note) -> wasmtime::Result<()> {
        if let Some(notes) = &self.call()?.notes {
            let _ = notes.try_send(note);
        }
        Ok(())
    }
}
