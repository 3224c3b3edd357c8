//! The reads of a search. The tool makes them through the host; a test has a cluster of its own.

use porthole_sdk::{ListEnd, list_pages, prelude::*};

/// Takes a page: the number of its query, the namespace that was asked for, and the page. An error ends its list.
pub(crate) type Take<'t> = dyn FnMut(usize, Option<&str>, &str) -> Result<(), String> + 't;

/// A cluster to search.
pub(crate) trait Source {
    /// Reads lists page by page, in the order of the queries, as [`list_pages`] does.
    fn pages(
        &mut self,
        queries: &[ListQuery],
        max_pages: usize,
        take: &mut Take<'_>,
    ) -> Vec<Result<ListEnd, ReadError>>;
}

/// The cluster as the caller may see it.
pub(crate) struct Host;

impl Source for Host {
    fn pages(
        &mut self,
        queries: &[ListQuery],
        max_pages: usize,
        take: &mut Take<'_>,
    ) -> Vec<Result<ListEnd, ReadError>> {
        list_pages(queries, |_| max_pages, take)
    }
}
