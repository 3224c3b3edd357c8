//! The reads of an answer, made through the host.

use porthole_changes::{List, PodRow, Read, Release, Source, Unread, Write};
use porthole_sdk::{
    kube_read::{Change, ChangesPage, ChangesQuery},
    prelude::*,
};

/// Reads that the host makes at one time.
const AT_ONCE: usize = 64;
/// Objects in a page, of those that are read whole.
const PAGE: u32 = 250;
/// Objects in a page of which little is read.
const LONG_PAGE: u32 = 500;
/// Rows of a table, or objects of which only metadata is read.
const ROWS: u32 = 12_000;

/// The cluster as the caller may see it.
pub(crate) struct Reads;

impl Source for Reads {
    fn now(&self) -> u64 {
        call::now()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Read<Value>> {
        let queries: Vec<ListQuery> = lists.iter().map(query).collect();
        let pages = queries.chunks(AT_ONCE).flat_map(kube_read::list_all);
        let answers = lists.iter().zip(&queries).zip(pages);
        answers.map(|((list, query), first)| pages_of(query, first, list.max, objects)).collect()
    }

    fn pods(&mut self, namespace: Option<&str>) -> Read<PodRow> {
        let query = ListQuery {
            limit: Some(LONG_PAGE),
            view: View::Outline,
            ..list_all_of(kind("pods"), namespace.map(str::to_owned), &[])
        };
        pages_of(&query, kube_read::list_objects(&query), ROWS, rows)
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

/// The items of the first page of a list, and of the pages behind it.
fn pages_of<T>(
    query: &ListQuery,
    first: Result<Page, ReadError>,
    max: u32,
    items: fn(&str) -> Result<Vec<T>, String>,
) -> Read<T> {
    let (mut all, mut read, mut page) = (Vec::new(), 0_u32, first);
    loop {
        let Page { items: json, count, continue_token, .. } = match page {
            Ok(page) => page,
            Err(error) => return (all, Some(unread(error))),
        };
        match items(&json) {
            Ok(items) => all.extend(items),
            Err(error) => return (all, Some(Unread::Failed(error))),
        }
        read = read.saturating_add(count);
        let Some(token) = continue_token else { return (all, None) };
        if read >= max {
            return (all, Some(only(read)));
        }
        page = kube_read::list_objects(&ListQuery { continue_token: Some(token), ..query.clone() });
    }
}

fn only(read: u32) -> Unread {
    Unread::Failed(format!("only the first {read}"))
}

fn objects(json: &str) -> Result<Vec<Value>, String> {
    parsed(json)
}

/// The rows of a `meta.k8s.io/v1` Table of pods.
fn rows(json: &str) -> Result<Vec<PodRow>, String> {
    let table: Value = parsed(json)?;
    let array =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let titles: Vec<String> = array(&table, "columnDefinitions")
        .iter()
        .map(|column| column.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase())
        .collect();
    let rows = array(&table, "rows").into_iter().map(|row| {
        let cells = array(&row, "cells");
        let cell = |title: &str| {
            let at = titles.iter().position(|other| other == title);
            at.and_then(|at| cells.get(at)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        PodRow { name: cell("name"), status: cell("status"), restarts: cell("restarts") }
    });
    Ok(rows.collect())
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
        Reason::Forbidden => Unread::Failed("forbidden".to_owned()),
        Reason::NotGranted => Unread::Failed("not granted".to_owned()),
        _ => Unread::Failed(error.message),
    }
}
