//! A served tool.

use porthole_contract::{CallLimits, Content, Digest, Embedded, Media, Outcome, truncate};
use porthole_sandbox::{Component, Description};

use super::arguments::Parameters;

/// An answer beyond the limit `output`: the error, and its truncated text.
pub(crate) struct OverlongAnswer {
    pub(crate) error: String,
    pub(crate) text: String,
}

/// A component with its declaration, its grant and its limits.
pub struct Tool {
    /// Parsed declaration.
    pub description: Description,
    /// File name in the tools folder.
    pub file: String,
    /// SHA-256 of the file.
    pub digest: Digest,
    pub(super) parameters: Parameters,
    pub(super) limits: CallLimits,
    pub(super) component: Component,
}

impl Tool {
    /// Enforces the limit `output`: returns the answer unchanged, or an error with its truncated text.
    pub(crate) fn fit(&self, outcome: Outcome) -> Result<(Outcome, usize), OverlongAnswer> {
        let limit = self.output();
        let bytes = size(&outcome);
        // A structured result repeats the text for programs, so it gets the same limit once more.
        let room = if outcome.structured.is_some() { limit.saturating_mul(2) } else { limit };
        if bytes <= room {
            return Ok((outcome, bytes));
        }
        let mut kept = String::new();
        for content in &outcome.content {
            if let Content::Text(text) = content {
                kept.push_str(truncate(text, limit.saturating_sub(kept.len())));
                kept.push('\n');
            }
            if kept.len() >= limit {
                break;
            }
        }
        Err(self.overlong(bytes, &kept))
    }

    /// Enforces the limit `output` on the tool's own error.
    pub(crate) fn fit_error(&self, text: String) -> Result<String, OverlongAnswer> {
        if text.len() <= self.output() { Ok(text) } else { Err(self.overlong(text.len(), &text)) }
    }

    fn output(&self) -> usize {
        usize::try_from(self.limits.output).unwrap_or(usize::MAX)
    }

    fn overlong(&self, bytes: usize, text: &str) -> OverlongAnswer {
        let limit = self.output();
        let mut text = truncate(text, limit).to_owned();
        if let Some(line) = text.rfind('\n') {
            text.truncate(line);
        }
        let error = format!(
            "{} answered {bytes} bytes, over its limit of {limit} (`output`). Ask for less: one namespace, a selector, a limit. What there is room for:",
            self.description.name
        );
        OverlongAnswer { error, text }
    }
}

/// Size of an answer in bytes, as sent to the client: everything a tool puts into it counts, or a field that is not
/// counted would bypass the limit.
pub(super) fn size(outcome: &Outcome) -> usize {
    /// Bytes of an item's type and field names: a million empty items are not free.
    const ITEM: usize = 32;
    let media =
        |media: &Media| media.data.len().div_ceil(3).saturating_mul(4).saturating_add(media.mime_type.len());
    let item = |content: &Content| match content {
        Content::Text(text) => text.len(),
        Content::Embedded(Embedded { uri, mime_type, text }) => {
            uri.len().saturating_add(mime_type.len()).saturating_add(text.len())
        }
        Content::Image(image) => media(image),
        Content::Audio(audio) => media(audio),
    };
    // The first item's frame is part of every answer, so it does not count.
    let frames = outcome.content.len().saturating_sub(1).saturating_mul(ITEM);
    let items = outcome.content.iter().map(item).fold(frames, usize::saturating_add);
    items.saturating_add(outcome.structured.as_ref().map_or(0, String::len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_an_answer_is_counted_wherever_it_stands() {
        let size = |content: Vec<Content>, structured: Option<String>| size(&Outcome { content, structured });
        let long = "x".repeat(3000);
        let media =
            |data: usize, mime_type: &str| Media { data: vec![0; data], mime_type: mime_type.to_owned() };
        let embedded = |uri: &str, mime_type: &str, text: &str| {
            Content::Embedded(Embedded { uri: uri.into(), mime_type: mime_type.into(), text: text.into() })
        };
        for content in [
            Content::Text(long.clone()),
            embedded(&long, "", ""),
            embedded("", &long, ""),
            embedded("", "", &long),
            Content::Image(media(0, &long)),
            Content::Audio(media(2250, "")),
        ] {
            assert_eq!(size(vec![content], None), 3000);
        }
        assert_eq!(size(vec![], Some(long)), 3000);
        assert!(size(vec![Content::Text(String::new()); 1_000_000], None) > 30_000_000);
    }
}
