//! The reads of a diagnosis, made through the host.

use porthole_diagnosis::{Kind, List, Listed, LogLines, LogRead, Reference, Source, Unread};
use porthole_sdk::{kube_read::LogText, prelude::*};

/// Reads that the host makes at one time.
const AT_ONCE: usize = 64;
/// Objects in a page.
const PAGE: u32 = 250;
/// Pages of one list. What is behind them is reported as not read.
const PAGES: u32 = 8;
/// Bytes of a log that reach the component.
const LOG_BYTES: u32 = 64 << 10;

/// The cluster as the caller may see it.
pub(crate) struct Reads;

impl Source for Reads {
    fn now(&self) -> u64 {
        call::now()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
        let queries: Vec<ListQuery> = lists.iter().map(query).collect();
        let pages = queries.chunks(AT_ONCE).flat_map(kube_read::list_all);
        queries.iter().zip(pages).map(|(query, page)| rest(query, page)).collect()
    }

    fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>> {
        let queries: Vec<GetQuery> = references
            .iter()
            .map(|reference| GetQuery {
                kind: kind_of(reference.kind),
                namespace: Some(reference.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                name: reference.name.clone(),
                view: View::Whole,
            })
            .collect();
        let answers = queries.chunks(AT_ONCE).flat_map(kube_read::get_all);
        answers.map(|answer| answer.map_err(unread).and_then(|json| object(&json))).collect()
    }

    fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>> {
        let queries: Vec<LogQuery> = reads.iter().map(log_query).collect();
        let answers = kube_read::pod_logs(&queries);
        answers.into_iter().map(|answer| answer.map(lines).map_err(unread)).collect()
    }
}

fn kind_of(kind: Kind) -> KindRef {
    // The group events.k8s.io has events too.
    let api_version = (kind == Kind::Event).then(|| "v1".to_owned());
    KindRef { kind: kind.resource().to_owned(), api_version }
}

fn query(list: &List) -> ListQuery {
    ListQuery {
        field_selector: list.field_selector.clone(),
        limit: Some(PAGE),
        ..list_all_of(kind_of(list.kind), list.namespace.clone(), &list.fields)
    }
}

/// The objects of the first page of a list, and those of the pages behind it.
fn rest(query: &ListQuery, first: Result<Page, ReadError>) -> Result<Listed, Unread> {
    let mut page = first.map_err(unread)?;
    let mut listed = Listed::default();
    for _ in 0..PAGES {
        listed.items.extend(objects(&page.items)?);
        let Some(token) = page.continue_token.take() else { return Ok(listed) };
        let next = ListQuery { continue_token: Some(token), ..query.clone() };
        page = match kube_read::list_objects(&next) {
            Ok(page) => page,
            Err(error) => {
                listed.cut = error.message;
                return Ok(listed);
            }
        };
    }
    listed.cut = format!("only the first {}", listed.items.len());
    Ok(listed)
}

fn objects(json: &str) -> Result<Vec<Value>, Unread> {
    parsed(json).map_err(Unread::Failed)
}

fn object(json: &str) -> Result<Value, Unread> {
    parsed(json).map_err(Unread::Failed)
}

fn log_query(read: &LogRead) -> LogQuery {
    LogQuery {
        container: Some(read.container.clone()),
        previous: read.is_previous,
        tail_lines: read.tail,
        timestamps: true,
        pattern: read.pattern.as_ref().map(|(pattern, _)| pattern.clone()),
        context_lines: read.pattern.as_ref().map_or(0, |(_, lines)| *lines),
        limit_bytes: Some(LOG_BYTES),
        ..log_of(read.namespace.clone(), read.pod.clone())
    }
}

fn lines(log: LogText) -> LogLines {
    let unread = match log.cut {
        Cut::Whole => String::new(),
        Cut::ByteLimit => format!("what follows the first {} lines", log.lines_read),
        Cut::TimeLimit => format!("what follows the first {} lines, for lack of time", log.lines_read),
    };
    LogLines { text: log.text, lines_read: log.lines_read, unread }
}

/// A read that failed. Only a "not found" proves that something is not there.
fn unread(error: ReadError) -> Unread {
    match error.reason {
        Reason::NotFound => Unread::NotFound,
        Reason::UnknownKind | Reason::Unsupported => Unread::Unsupported,
        Reason::Forbidden => Unread::Failed("forbidden".to_owned()),
        Reason::NotGranted => Unread::Failed("not granted".to_owned()),
        _ => Unread::Failed(error.message),
    }
}
