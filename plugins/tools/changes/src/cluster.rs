//! The reads of an answer, made through the host.

use porthole_changes::{List, PodRow, Read, Release, Source, Unread, Write};
use porthole_sdk::{
    ListEnd, OUTLINES, TableRow,
    kube_read::{Change, ChangesPage, ChangesQuery},
    list_pages,
    prelude::*,
    table_rows,
};

/// Objects in a page, of those that are read whole.
const PAGE: u32 = 250;
/// Objects in a page of which little is read.
const LONG_PAGE: u32 = 500;
/// Rows of a table, or objects of which only metadata is read.
const ROWS: u32 = 12_000;

/// Namespaces that are tried for a caller who may not read all of them.
const TRIED: usize = 6;

/// The error that ends a list of as many rows as are looked at.
const ENOUGH: &str = "enough";

/// The cluster as the caller may see it.
pub(crate) struct Reads;

impl Source for Reads {
    fn now(&self) -> u64 {
        call::now()
    }

    fn namespaces(&mut self) -> Vec<String> {
        call::namespaces().into_iter().take(TRIED).collect()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Read<Value>> {
        let queries: Vec<ListQuery> = lists.iter().map(query).collect();
        let max_pages = |number: usize| lists.get(number).map_or(1, |list| pages(list.max, PAGE));
        let mut items: Vec<Vec<Value>> = vec![Vec::new(); lists.len()];
        let ends = list_pages(&queries, max_pages, |number, _, page| {
            if let Some(items) = items.get_mut(number) {
                items.extend(parsed::<Vec<Value>>(page)?);
            }
            Ok(())
        });
        items.into_iter().zip(ends).map(|(items, end)| read(items, end)).collect()
    }

    fn pods(&mut self, namespace: Option<&str>) -> Read<PodRow> {
        let query = ListQuery {
            limit: Some(OUTLINES),
            view: View::Outline,
            ..list_all_of(kind("pods"), namespace.map(str::to_owned), &[])
        };
        let mut pods = Vec::new();
        let ends = list_pages(
            &[query],
            |_| pages(ROWS, LONG_PAGE),
            |_, read, page| {
                if pods.len() >= ROWS as usize {
                    return Err(ENOUGH.to_owned());
                }
                let [namespace, name, status, restarts] = ["namespace", "name", "status", "restarts"];
                let of_row = |row: &TableRow| Some(row.cell(namespace)).filter(|own| !own.is_empty());
                let pod = |row: TableRow| PodRow {
                    namespace: of_row(&row).or_else(|| read.map(str::to_owned)),
                    name: row.cell(name),
                    status: row.cell(status),
                    restarts: row.cell(restarts),
                };
                pods.extend(table_rows(page)?.into_iter().map(pod));
                Ok(())
            },
        );
        match ends.into_iter().next() {
            Some(Err(error)) if error.message == ENOUGH => read(pods, Ok(ListEnd::PageLimit)),
            Some(end) => read(pods, end),
            None => (pods, Some(Unread::Unsupported)),
        }
    }

    fn writes(&mut self, resource: &'static str, namespace: Option<&str>, since: &str) -> Read<Write> {
        let mut query = ChangesQuery {
            kind: kind(resource),
            namespace: namespace.map(str::to_owned),
            name: None,
            label_selector: None,
            since_time: Some(since.to_owned()),
            limit: Some(LONG_PAGE),
            continue_token: None,
        };
        let (mut writes, mut read) = (Vec::new(), 0_u32);
        loop {
            let ChangesPage { changes, count, continue_token, .. } = match kube_read::object_changes(&query) {
                Ok(page) => page,
                Err(error) => return (writes, Some(unread(error))),
            };
            writes.extend(changes.into_iter().map(write));
            read = read.saturating_add(count);
            if continue_token.is_none() {
                return (writes, None);
            }
            if read >= ROWS {
                return (writes, Some(only(read)));
            }
            query.continue_token = continue_token;
        }
    }

    fn releases(&mut self, namespace: Option<&str>) -> Read<Release> {
        releases(kube_read::releases(namespace))
    }

    fn history(&mut self, namespace: &str, name: &str) -> Read<Release> {
        releases(kube_read::release_history(namespace, name))
    }
}

fn query(list: &List) -> ListQuery {
    // The group events.k8s.io has events too.
    let api_version = (list.resource == "events").then(|| "v1".to_owned());
    let kind = KindRef { kind: list.resource.to_owned(), api_version };
    ListQuery {
        field_selector: list.field_selector.clone(),
        limit: Some(PAGE),
        ..list_all_of(kind, list.namespace.clone(), list.fields)
    }
}

/// Pages of `size` objects until there are `max`.
fn pages(max: u32, size: u32) -> usize {
    usize::try_from(max.div_ceil(size)).unwrap_or(usize::MAX)
}

/// The objects of a list, with the reason if there are more.
fn read<T>(items: Vec<T>, end: Result<ListEnd, ReadError>) -> Read<T> {
    let unread = match end {
        Ok(ListEnd::Whole) => None,
        Ok(ListEnd::PageLimit) => Some(only(items.len())),
        Ok(ListEnd::Namespaces(read)) => Some(Unread::Failed(format!("only in {}", read.join(", ")))),
        Ok(ListEnd::Failed(error)) | Err(error) => Some(unread(error)),
    };
    (items, unread)
}

fn only(read: impl std::fmt::Display) -> Unread {
    Unread::Failed(format!("only the first {read}"))
}

fn write(change: Change) -> Write {
    let Change { namespace, name, created, manager, time, subresource, fields, more_fields, .. } = change;
    Write { namespace, name, created, manager, time, subresource, fields, more_fields }
}

fn releases(read: Result<Vec<kube_read::Release>, ReadError>) -> Read<Release> {
    let release = |release: kube_read::Release| {
        let chart = match release.chart.as_str() {
            "" => String::new(),
            chart => format!("{chart}-{}", release.chart_version),
        };
        Release {
            namespace: release.namespace,
            name: release.name,
            revision: release.revision,
            status: release.status,
            chart,
            app_version: release.app_version,
            updated: release.updated,
        }
    };
    match read {
        Ok(releases) => (releases.into_iter().map(release).collect(), None),
        Err(error) => (Vec::new(), Some(unread(error))),
    }
}

/// A read that failed, or that has nothing to say.
fn unread(error: ReadError) -> Unread {
    match error.reason {
        Reason::UnknownKind | Reason::Unsupported => Unread::Unsupported,
        // Of a list only its namespace can be missing.
        Reason::NotFound => Unread::NoNamespace(error.message),
        Reason::Forbidden => Unread::Forbidden,
        Reason::NotGranted => Unread::Failed("not granted".to_owned()),
        _ => Unread::Failed(error.message),
    }
}
