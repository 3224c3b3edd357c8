//! Wire format of tools and answers.

use std::sync::Arc;

use porthole_contract::Content;
use porthole_tools::{Answer, Tool};
use rmcp::model::{CallToolResult, ContentBlock, ToolAnnotations};
use serde_json::Value;

/// Descriptor of a tool. The sandbox enforces what the hint declares.
pub(super) fn descriptor(tool: &Tool) -> rmcp::model::Tool {
    let description = &tool.description;
    let mut descriptor = rmcp::model::Tool::new(
        description.name.to_string(),
        description.summary.clone(),
        Arc::clone(&tool.description.input_schema),
    )
    // The other hints do not apply to a read-only tool, and each costs the model tokens.
    .with_annotations(ToolAnnotations::new().read_only(true));
    if !description.title.is_empty() {
        descriptor = descriptor.with_title(description.title.clone());
    }
    match &tool.description.output_schema {
        Some(schema) => descriptor.with_raw_output_schema(Arc::clone(schema)),
        None => descriptor,
    }
}

/// Converts an answer. Dify ignores isError, so the text of an error is marked as one.
pub(super) fn result(answer: Answer) -> CallToolResult {
    match answer {
        Answer::Outcome { content, structured } => success(content, structured),
        Answer::Error(text) => CallToolResult::error(vec![ContentBlock::text(format!("ERROR: {text}"))]),
        Answer::Overlong { error, text } => {
            CallToolResult::error(vec![ContentBlock::text(format!("ERROR: {error}\n{text}"))])
        }
    }
}

fn success(content: Vec<Content>, structured: Option<Value>) -> CallToolResult {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut content: Vec<ContentBlock> = content
        .into_iter()
        .map(|content| match content {
            Content::Text(text) => ContentBlock::text(text),
            Content::Image(media) => ContentBlock::image(BASE64_STANDARD.encode(media.data), media.mime_type),
            Content::Audio(media) => ContentBlock::audio(BASE64_STANDARD.encode(media.data), media.mime_type),
            Content::Embedded(embedded) => ContentBlock::embedded_text(embedded.uri, embedded.text),
        })
        .collect();
    if content.is_empty() {
        // Dify ignores a result without content, even if it has a structured part.
        let text = structured.as_ref().map_or_else(|| "(no output)".to_owned(), Value::to_string);
        content.push(ContentBlock::text(text));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = structured;
    result
}
