//! Answers to calls: maps a component's result to an answer and a verdict.

use std::time::Duration;

use porthole_contract::{Content, Outcome};
use porthole_guard::ReadSummary;
use porthole_sandbox::RunError;
use serde_json::Value;

use crate::{Tool, Verdict, tool::OverlongAnswer};

/// Result of a tool call. Every variant but the first is shown to the model as an error.
#[derive(Debug)]
pub enum Answer {
    /// Answer of the tool.
    Outcome {
        /// Content items, in order.
        content: Vec<Content>,
        /// Structured result, for programs.
        structured: Option<Value>,
    },
    /// Error text for the model.
    Error(String),
    /// The answer exceeds the limit `output`.
    Overlong {
        /// Error text for the model.
        error: String,
        /// Truncated text of the answer.
        text: String,
    },
}

/// Resources used by a call.
#[derive(Debug, Default)]
pub struct Usage {
    /// Reads by the call.
    pub reads: ReadSummary,
    /// Processor time inside the component.
    pub cpu: Duration,
    /// Peak memory of the component, in bytes.
    pub memory: usize,
}

/// A call's result and resource usage.
#[derive(Debug)]
pub struct CallReport {
    /// Result of the call.
    pub answer: Answer,
    /// Size of the answer in bytes, as the limit `output` counts it.
    pub bytes: usize,
    /// Resources used by the call.
    pub usage: Usage,
}

/// An answer with its size and verdict.
pub(crate) struct Judgement {
    pub(crate) answer: Answer,
    pub(crate) bytes: usize,
    pub(crate) verdict: Verdict,
}

impl Judgement {
    /// An error of the host, for the model.
    pub(crate) fn error(verdict: Verdict, text: String) -> Self {
        Self { bytes: text.len(), answer: Answer::Error(text), verdict }
    }

    fn overlong(OverlongAnswer { error, text }: OverlongAnswer) -> Self {
        let bytes = error.len().saturating_add(text.len());
        Self { answer: Answer::Overlong { error, text }, bytes, verdict: Verdict::Overlong }
    }

    /// Adds how many secrets and values are masked in what the call read: a tool may show the masks or not.
    ///
    /// Texts of their own behind those of the tool, so that each of them is still what the tool wrote.
    pub(crate) fn with_masked(mut self, reads: &ReadSummary) -> Self {
        let notes =
            [(reads.masked, "secret", "logs and messages"), (reads.masked_values, "value", "objects")];
        if let Answer::Outcome { content, .. } = &mut self.answer
            // An answer of structure alone gets its text from that.
            && !content.is_empty()
        {
            for (masked, what, of) in notes.into_iter().filter(|(masked, ..)| *masked > 0) {
                let s = if masked == 1 { " is" } else { "s are" };
                let note = format!("[{masked} {what}{s} masked in the {of} read: <masked: KIND>]");
                self.bytes = self.bytes.saturating_add(note.len());
                content.push(Content::Text(note));
            }
        }
        self
    }

    /// Judges the result of a call of `tool`.
    pub(crate) fn of(tool: &Tool, result: Result<Outcome, RunError>) -> Self {
        let name = &tool.description.name;
        match result {
            Ok(outcome) => match tool.fit(outcome) {
                Ok((outcome, bytes)) => Self::outcome(tool, outcome, bytes),
                Err(overlong) => Self::overlong(overlong),
            },
            Err(RunError::Error(text)) => match tool.fit_error(text) {
                Ok(text) => Self::error(Verdict::Error, text),
                Err(overlong) => Self::overlong(overlong),
            },
            Err(RunError::Memory(exhausted)) => Self::error(Verdict::Busy, format!("{name}: {exhausted}")),
            Err(RunError::Limit(limit)) => Self::error(
                Verdict::Limit,
                format!(
                    "{name} was stopped: {limit}. Ask for less: one namespace, a selector, a limit. The operator can raise it under limits in the configuration."
                ),
            ),
            Err(RunError::Fault(cause)) => Self::fault(tool, &cause),
        }
    }

    fn outcome(tool: &Tool, outcome: Outcome, bytes: usize) -> Self {
        let Outcome { content, structured } = outcome;
        match structured.map(|text| serde_json::from_str(&text)).transpose() {
            Ok(structured) => {
                Self { answer: Answer::Outcome { content, structured }, bytes, verdict: Verdict::Ok }
            }
            Err(error) => Self::fault(tool, &format!("its structured result is not JSON ({error})")),
        }
    }

    fn fault(tool: &Tool, cause: &str) -> Self {
        let (name, version) = (&tool.description.name, &tool.description.version);
        tracing::error!(tool = %name, %version, "fault: {cause}");
        Self::error(
            Verdict::Fault,
            format!(
                "{name} {version} failed by a fault of its own: {cause}. Other tools still work; its author should know."
            ),
        )
    }
}
