//! One tool that is served.

use std::sync::Arc;

use super::{Answer, arguments::Parameters};
use crate::{
    guard::Grant,
    limits::CallLimits,
    sandbox::{Component, Content, Description, Outcome},
};

/// A component, what it says of itself, and what it is allowed.
pub(crate) struct Tool {
    pub(crate) description: Description,
    /// The file that it was loaded from, in the folder of tools.
    pub(crate) file: String,
    /// SHA-256 of the file, in hex.
    pub(crate) digest: String,
    /// The schema of its arguments, as clients see it.
    pub(crate) input_schema: Arc<serde_json::Map<String, serde_json::Value>>,
    pub(crate) output_schema: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
    pub(super) parameters: Parameters,
    pub(crate) grant: Arc<Grant>,
    pub(super) limits: CallLimits,
    pub(super) component: Component,
}

impl Tool {
    /// The outcome as it is, or, where its text is over the limit, an error with as much of it as there is room for.
    pub(super) fn overlong(&self, outcome: Outcome) -> Result<Outcome, Answer> {
        let text = |content: &Content| match content {
            Content::Text(text) => Some(text.len()),
            Content::Embedded(embedded) => Some(embedded.text.len()),
            Content::Image(_) | Content::Audio(_) => None,
        };
        let said: usize = outcome.content.iter().filter_map(text).sum();
        let said = said.saturating_add(outcome.structured.as_ref().map_or(0, String::len));
        let limit = usize::try_from(self.limits.output).unwrap_or(usize::MAX);
        // A structured result says the same once more, for programs; it has as much room again.
        let room = if outcome.structured.is_some() { limit.saturating_mul(2) } else { limit };
        if said <= room {
            return Ok(outcome);
        }
        let mut kept = String::new();
        for content in outcome.content {
            if let Content::Text(text) = content {
                kept.push_str(&text);
                kept.push('\n');
            }
        }
        kept.truncate(kept.floor_char_boundary(limit));
        if let Some(line) = kept.rfind('\n') {
            kept.truncate(line);
        }
        let error = format!(
            "{} answered {said} bytes, over its limit of {limit} (`output`). Ask for less: one namespace, a selector, a limit. What there is room for:",
            self.description.name
        );
        Err(Answer::Overlong { error, text: kept })
    }
}
