//! Whole lists, page by page, for tools that look at many objects and show few of them.

use crate::{
    call,
    kube_read::{self, ListQuery, Page, ReadError, Reason},
};

/// Rows in a page of [`View::Outline`](crate::kube_read::View): 700 kB of pods. A page costs the API server what the list is
/// long, so ten pages of 500 take it three times as long. Where values are masked the host answers fewer.
pub const OUTLINES: u32 = 5000;

/// Queries that the host answers at one time.
const AT_ONCE: usize = 64;
/// Namespaces that are tried for a caller who may not list all of them. Each costs a read of every list.
const MAX_TRIED: usize = 6;

/// End of the part of a list that was read.
#[derive(Debug)]
pub enum ListEnd {
    /// All of it.
    Whole,
    /// As many pages as were allowed; there are more.
    PageLimit,
    /// The pages before one that could not be read.
    Failed(ReadError),
    /// Of all namespaces only these, since the caller may not list the others.
    Namespaces(Vec<String>),
}

/// Reads lists page by page, the first page of each side by side, at most as many of each as `max_pages` says for the
/// number of its query; the size of a page is the `limit` of the query. Hands each page to `take`, with the number of its
/// query and the namespace that was asked for, so that no list is held whole. An error of `take`, such as that of
/// [`parsed`](crate::parsed), ends its list.
///
/// For a caller who may not list all namespaces, those that the host suggests are tried.
///
/// The result of a list is the error of its first page, or else how far it was read.
pub fn list_pages(
    queries: &[ListQuery],
    max_pages: impl Fn(usize) -> usize,
    mut take: impl FnMut(usize, Option<&str>, &str) -> Result<(), String>,
) -> Vec<Result<ListEnd, ReadError>> {
    let mut ends = read_pages(queries, &max_pages, &mut take);
    let is_refused = |(number, query): &(usize, &ListQuery)| {
        let refused = |end: &Result<ListEnd, ReadError>| {
            end.as_ref().is_err_and(|error| error.reason == Reason::Forbidden)
        };
        query.namespace.is_none() && ends.get(*number).is_some_and(refused)
    };
    let refused: Vec<(usize, &ListQuery)> = queries.iter().enumerate().filter(is_refused).collect();
    if refused.is_empty() {
        return ends;
    }
    let mut namespaces = call::namespaces();
    namespaces.truncate(MAX_TRIED);
    let narrow = |(number, query): &(usize, &ListQuery)| {
        let (number, query) = (*number, (*query).clone());
        let within = move |namespace: &String| {
            (number, ListQuery { namespace: Some(namespace.clone()), ..query.clone() })
        };
        namespaces.iter().map(within).collect::<Vec<_>>()
    };
    let (numbers, narrowed): (Vec<usize>, Vec<ListQuery>) = refused.iter().flat_map(narrow).unzip();
    let number_of = |narrowed: usize| numbers.get(narrowed).copied().unwrap_or_default();
    let read = read_pages(
        &narrowed,
        &|narrowed| max_pages(number_of(narrowed)),
        &mut |narrowed, namespace, page| take(number_of(narrowed), namespace, page),
    );
    for ((number, query), end) in numbers.into_iter().zip(&narrowed).zip(read) {
        if let (Some(whole), Ok(end)) = (ends.get_mut(number), end) {
            merge(whole, query.namespace.clone().unwrap_or_default(), end);
        }
    }
    ends
}

/// Adds a namespace that could be read to the end of the list of all namespaces.
fn merge(whole: &mut Result<ListEnd, ReadError>, namespace: String, end: ListEnd) {
    match (&mut *whole, end) {
        (Ok(ListEnd::Namespaces(read)), ListEnd::Whole | ListEnd::Namespaces(_)) => read.push(namespace),
        (Err(_), ListEnd::Whole | ListEnd::Namespaces(_)) => {
            *whole = Ok(ListEnd::Namespaces(vec![namespace]))
        }
        // A part of a namespace says more than which namespaces there are, and stays.
        (Ok(ListEnd::PageLimit | ListEnd::Failed(_)), _) => {}
        (_, partial) => *whole = Ok(partial),
    }
}

fn read_pages(
    queries: &[ListQuery],
    max_pages: &impl Fn(usize) -> usize,
    take: &mut impl FnMut(usize, Option<&str>, &str) -> Result<(), String>,
) -> Vec<Result<ListEnd, ReadError>> {
    let mut first_pages = queries.chunks(AT_ONCE).flat_map(kube_read::list_all);
    let mut read = |(number, query): (usize, &ListQuery)| {
        let mut page =
            first_pages.next().unwrap_or_else(|| Err(unexpected("a list has no answer".to_owned())))?;
        let max_pages = max_pages(number);
        for is_last in (1..=max_pages).map(|count| count == max_pages) {
            let Page { items, continue_token, .. } = page;
            take(number, query.namespace.as_deref(), &items).map_err(unexpected)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> ReadError {
        unexpected("forbidden".to_owned())
    }

    #[test]
    fn a_list_ends_with_the_namespaces_that_could_be_read() {
        let mut end = Err(failed());
        merge(&mut end, "shop".into(), ListEnd::Whole);
        merge(&mut end, "web".into(), ListEnd::Whole);
        assert!(matches!(&end, Ok(ListEnd::Namespaces(read)) if *read == ["shop", "web"]), "{end:?}");
        merge(&mut end, "big".into(), ListEnd::PageLimit);
        merge(&mut end, "last".into(), ListEnd::Whole);
        assert!(matches!(end, Ok(ListEnd::PageLimit)), "{end:?}");
    }
}
