//! Whole lists, page by page, for tools that look at many objects and show few of them.

use crate::kube_read::{self, ListQuery, Page, ReadError, Reason};

/// Queries that the host answers at one time.
const AT_ONCE: usize = 64;

/// How far a list was read.
#[derive(Debug)]
pub enum ListEnd {
    /// All of it.
    Whole,
    /// As many pages as were allowed; there are more.
    PageLimit,
    /// The pages before one that could not be read.
    Failed(ReadError),
}

/// Reads lists page by page, the first page of each side by side, at most as many of each as `max_pages` says for the number
/// of its query; the size of a page is the `limit` of the query. Hands the items of each page to `take`, with the number of its query, so that no list is held
/// whole. An error of `take`, such as that of [`parsed`](crate::parsed), ends its list.
///
/// The result of a list is the error of its first page, or else how far it was read.
pub fn list_pages(
    queries: &[ListQuery],
    max_pages: impl Fn(usize) -> usize,
    mut take: impl FnMut(usize, &str) -> Result<(), String>,
) -> Vec<Result<ListEnd, ReadError>> {
    let mut first_pages = queries.chunks(AT_ONCE).flat_map(kube_read::list_all);
    let mut read = |(number, query): (usize, &ListQuery)| {
        let mut page =
            first_pages.next().unwrap_or_else(|| Err(unexpected("a list has no answer".to_owned())))?;
        let max_pages = max_pages(number);
        for is_last in (1..=max_pages).map(|count| count == max_pages) {
            let Page { items, continue_token, .. } = page;
            take(number, &items).map_err(unexpected)?;
            let Some(token) = continue_token else { return Ok(ListEnd::Whole) };
            if is_last {
                break;
            }
            page = match kube_read::list_objects(&ListQuery { continue_token: Some(token), ..query.clone() })
            {
                Ok(page) => page,
                Err(error) => return Ok(ListEnd::Failed(error)),
            };
        }
        Ok(ListEnd::PageLimit)
    };
    queries.iter().enumerate().map(&mut read).collect()
}

fn unexpected(message: String) -> ReadError {
    ReadError { reason: Reason::Other, message, retry_after_seconds: None }
}
