//! Envelope of the API server's objects: kind, metadata of a list, and errors for an answer that is not what was asked for.

use std::borrow::Cow;

use porthole_contract::{Echo, Failure, Page, Reason};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::error::Category;

use super::{
    ReadBudget, Redaction,
    mask::count,
    shape::{Items, NotAList},
};

/// Error for an unexpected answer. Without serde's message, which may quote the answer and thus a Secret.
pub(super) fn decode_error(what: &str, error: &serde_json::Error) -> Failure {
    let cause = match error.classify() {
        Category::Eof => "it breaks off",
        Category::Data => "a field is of another type, missing, or there twice",
        Category::Io | Category::Syntax => "it is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    Failure::new(
        Reason::Unavailable,
        format!(
            "{what}: the answer of the API server cannot be read: {cause} (line {line}, column {column})"
        ),
    )
}

pub(super) fn into_utf8(what: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Reason::Unavailable, format!("{what}: the answer of the API server is not UTF-8"))
    })
}

/// Counts the masks in an answer: `values` by the operator's masks, and the others if its messages are masked.
pub(super) fn count_masked(budget: &ReadBudget, redaction: Redaction, values: u64, answer: &[u8]) {
    budget.count_masked_values(values);
    if redaction == Redaction::Messages {
        budget.count_masked(count(answer).saturating_sub(values));
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_token: String,
    remaining_item_count: Option<u64>,
}

impl ListMetadata {
    pub(super) fn page(self, items: String, count: u32) -> Page {
        Page {
            items,
            count,
            resource_version: self.resource_version,
            continue_token: Some(self.continue_token).filter(|token| !token.is_empty()),
            remaining: self.remaining_item_count,
        }
    }
}

/// Parses the metadata of a list after its items were cut out. Rejects a body that is not a list, of which nothing was
/// requested.
pub(super) fn envelope(list: Items, what: &str) -> Result<ListMetadata, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        metadata: ListMetadata,
        /// Required, but may be null, as Go writes an empty array.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<IgnoredAny>>,
    }
    let envelope = list.envelope().map_err(Failure::from)?;
    let Envelope { kind, metadata, items } =
        serde_json::from_slice(&envelope).map_err(|error| decode_error(what, &error))?;
    // The items are cut out already, so an element here means that the document is not a list.
    if !kind.ends_with("List") || items.is_some_and(|items| !items.is_empty()) {
        return Err(wrong_kind(what, &kind, "a list"));
    }
    Ok(metadata)
}

/// Rejects an object of another kind than requested. An API server sets the kind of each object.
pub(super) fn check_kind(body: &[u8], kind: &str, what: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct TypeMeta<'b> {
        #[serde(borrow, default)]
        kind: Cow<'b, str>,
    }
    let TypeMeta { kind: found } =
        serde_json::from_slice(body).map_err(|error| decode_error(what, &error))?;
    if found == kind { Ok(()) } else { Err(wrong_kind(what, &found, kind)) }
}

pub(super) fn wrong_kind(what: &str, found: &str, expected: &str) -> Failure {
    Failure::new(
        Reason::Unsupported,
        format!(
            "{what}: the API server was asked for {expected} and answered with kind {}, which is not handed out",
            Echo(found)
        ),
    )
}

impl From<NotAList> for Failure {
    fn from(_: NotAList) -> Self {
        Self::new(Reason::Unavailable, "the answer of the API server broke off or is not a list; ask again")
    }
}
