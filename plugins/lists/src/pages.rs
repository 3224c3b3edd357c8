//! The seam between the engine and the cluster: pages of a list, as they are asked for and as they arrive.

use std::fmt;

use porthole_field_path::cut;

use crate::one_line;

/// The maximum number of bytes of a parser's reason.
const MAX_REASON: usize = 256;

/// A reader of one list: one kind, one scope, one pair of selectors.
pub trait Pages {
    /// Error of a page that could not be read.
    type Error: PageError;

    /// Reads one page.
    ///
    /// # Errors
    /// Whatever prevents the read. A page with fewer objects than [`PageRequest::limit`] is not an error.
    fn page(&mut self, request: &PageRequest) -> Result<Page, Self::Error>;

    /// Reports how many objects have been read, of how many if that is known.
    fn progress(&mut self, read: u64, total: Option<u64>) {
        let _ = (read, total);
    }
}

/// An error of a read; as text it is the message for the caller.
pub trait PageError: fmt::Display {
    /// True if a limit of the call was reached (reads, bytes, time). Objects read before are then still shown.
    fn is_limit(&self) -> bool;

    /// True if the page was too large to be handed over, so that fewer objects can be asked for.
    fn is_too_large(&self) -> bool {
        false
    }
}

/// A page to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The maximum number of objects.
    pub limit: u32,
    /// The API server's own token; `None` for the first page.
    pub continue_token: Option<String>,
    /// The version of the list that all pages show; `None` for the newest.
    pub resource_version: Option<String>,
    /// The part of each object that is needed.
    pub view: View,
}

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// A JSON array of objects, or for [`View::Table`] and [`View::Outline`] a `meta.k8s.io/v1` Table.
    pub items: String,
    /// The API server's token for the next page; `None` at the end of the list.
    pub continue_token: Option<String>,
    /// Objects behind this page, if the API server counts them.
    pub remaining: Option<u64>,
    /// The version of the list that this page shows.
    pub resource_version: String,
}

/// The part of each object that a page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Everything.
    Whole,
    /// These paths.
    Fields(Vec<String>),
    /// The API server's table.
    Table,
    /// The API server's table without metadata: a twentieth of the bytes.
    Outline,
}

/// Reason that a list cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ListError<E> {
    /// A page could not be read, and there is nothing to show instead.
    #[error("{0}")]
    Page(E),
    /// An argument is wrong, or a page is not what the API promises; the text is for the caller.
    #[error("{0}")]
    Message(String),
}

impl<E> From<String> for ListError<E> {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// Parses what a page holds.
pub(crate) fn parse<'j, T: serde::Deserialize<'j>>(json: &'j str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| parse_error(&error))
}

fn parse_error(error: &dyn fmt::Display) -> String {
    let error = error.to_string();
    // The words of the parser repeat a text that stands where something else is expected.
    format!("the cluster's answer is not what this tool expects: {}", one_line(cut(&error, MAX_REASON)))
}
