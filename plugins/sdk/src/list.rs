//! Lists of a kind: the list engine over `kube-read`.

use std::time::SystemTime;

use porthole_lists::{Columns, Fold, ListError, ListRequest, PageError, PageRequest, Pages};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Answer, Error, call,
    kube_read::{self, KindRef, ListQuery, Page, ReadError, Reason, View},
    parsed, reach, text,
};

/// A list of a kind, and its name in the answer.
pub struct List {
    /// The kind.
    pub kind: KindRef,
    /// `None`: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// `pods`, for the words around the table.
    pub noun: String,
}

/// An answer of the engine, with a caller's request already applied.
type ListResult = Result<String, ListError<PageReadError>>;

impl List {
    /// Lists objects with the tool's own columns.
    pub fn rows<T: DeserializeOwned>(
        &self,
        arguments: impl Into<ListRequest>,
        columns: &Columns<'_, T>,
    ) -> Answer {
        self.reachable(&arguments.into(), None, |list, request, pages| list.rows(request, columns, pages))
    }

    /// As [`rows`](Self::rows), the worst first, and alike unhealthy objects in one row with their number.
    pub fn folded_rows<T: DeserializeOwned>(
        &self,
        arguments: impl Into<ListRequest>,
        columns: &Columns<'_, T>,
        fold: &Fold<T>,
    ) -> Answer {
        self.reachable(&arguments.into(), None, |list, request, pages| {
            list.folded_rows(request, columns, fold, pages)
        })
    }

    /// As [`rows`](Self::rows), with only some of the objects.
    pub fn rows_of<T: DeserializeOwned>(
        &self,
        arguments: impl Into<ListRequest>,
        columns: &Columns<'_, T>,
        kept: Kept<'_>,
    ) -> Answer {
        self.reachable(&arguments.into(), Some(kept), |list, request, pages| {
            list.rows(request, columns, pages)
        })
    }

    /// Lists objects as the table that the API server makes of them.
    pub fn server_table(&self, arguments: impl Into<ListRequest>) -> Answer {
        self.reachable(&arguments.into(), None, |list, request, pages| list.server_table(request, pages))
    }

    /// Answers for the namespace, or for all; if the caller may not list all, for the one that it may list.
    fn reachable(
        &self,
        request: &ListRequest,
        kept: Option<Kept<'_>>,
        answer: impl Fn(porthole_lists::List<'_>, &ListRequest, &mut Reads<'_>) -> ListResult,
    ) -> Answer {
        let in_namespace = |namespace: Option<&str>| {
            let list = porthole_lists::List {
                noun: &self.noun,
                namespace,
                can_narrow: self.namespace.is_none(),
                budget: call::output_budget() as usize,
                now: SystemTime::now(),
            };
            answer(list, request, &mut self.reads(request, namespace, kept))
        };
        match in_namespace(self.namespace.as_deref()) {
            Err(ListError::Page(PageReadError(error)))
                if error.reason == Reason::Forbidden && self.namespace.is_none() =>
            {
                // Only if the caller named no namespace: for one that it may not read, another is no answer.
                let (namespace, notice) = reach::readable_namespace(&self.kind, &self.noun, &error.message)?;
                text(format!("{notice}\n{}", in_namespace(Some(&namespace))?))
            }
            answer => text(answer?),
        }
    }

    fn reads<'k>(&self, request: &ListRequest, namespace: Option<&str>, kept: Option<Kept<'k>>) -> Reads<'k> {
        let selectors = [request.field_selector.as_deref(), kept.and_then(|kept| kept.field_selector)];
        let selectors: Vec<&str> = selectors.into_iter().flatten().collect();
        let query = ListQuery {
            kind: self.kind.clone(),
            namespace: namespace.map(str::to_owned),
            label_selector: request.label_selector.clone(),
            field_selector: (!selectors.is_empty()).then(|| selectors.join(",")),
            limit: None,
            continue_token: None,
            resource_version: None,
            view: View::Whole,
        };
        Reads { query, kept }
    }
}

/// The objects of a list that are kept, where no selector of the API server chooses them.
#[derive(Clone, Copy)]
pub struct Kept<'k> {
    /// Fields that `keep` looks at.
    pub fields: &'k [&'k str],
    /// True for an object to keep.
    pub keep: &'k dyn Fn(&Value) -> bool,
    /// A field selector that all of them have, so that fewer are read.
    pub field_selector: Option<&'k str>,
}

/// Pages of a list, read through the host.
struct Reads<'k> {
    query: ListQuery,
    kept: Option<Kept<'k>>,
}

/// A page that could not be read.
#[derive(Debug)]
struct PageReadError(ReadError);

impl std::fmt::Display for PageReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl PageError for PageReadError {
    fn is_limit(&self) -> bool {
        matches!(self.0.reason, Reason::OverReads | Reason::OverBytes | Reason::OverTime | Reason::TooLarge)
    }

    fn is_too_large(&self) -> bool {
        self.0.reason == Reason::TooLarge
    }
}

impl From<ListError<PageReadError>> for Error {
    fn from(error: ListError<PageReadError>) -> Self {
        match error {
            ListError::Page(PageReadError(error)) => Self::Read(error),
            ListError::Message(message) => Self::Message(message),
        }
    }
}

impl Pages for Reads<'_> {
    type Error = PageReadError;

    fn page(&mut self, request: &PageRequest) -> Result<porthole_lists::Page, PageReadError> {
        let PageRequest { limit, continue_token, resource_version, view } = request.clone();
        let query = ListQuery {
            limit: Some(limit),
            continue_token,
            resource_version,
            view: match view {
                porthole_lists::View::Whole => View::Whole,
                porthole_lists::View::Fields(mut fields) => {
                    let more = self.kept.iter().flat_map(|kept| kept.fields);
                    fields.extend(more.map(|field| (*field).to_owned()));
                    View::Fields(fields)
                }
                porthole_lists::View::Table => View::Table,
                porthole_lists::View::Outline => View::Outline,
            },
            ..self.query.clone()
        };
        let Page { items, continue_token, remaining, resource_version, .. } =
            kube_read::list_objects(&query).map_err(PageReadError)?;
        let Some(Kept { keep, .. }) = self.kept else {
            return Ok(porthole_lists::Page { items, continue_token, remaining, resource_version });
        };
        let mut objects: Vec<Value> = parsed(&items).map_err(|message| {
            PageReadError(ReadError { reason: Reason::Other, message, retry_after_seconds: None })
        })?;
        objects.retain(keep);
        let items = Value::Array(objects).to_string();
        // What is left of all of them is no number of those that are kept.
        Ok(porthole_lists::Page { items, continue_token, remaining: None, resource_version })
    }

    fn progress(&mut self, read: u64, total: Option<u64>) {
        #[expect(clippy::cast_precision_loss, reason = "progress is shown to people")]
        call::progress(read as f64, total.map(|total| total as f64), "objects read");
    }
}
