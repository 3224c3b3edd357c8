//! The reads of a diagnosis, made through the host: of a tool that declares to get and list what it asks for.

use porthole_diagnosis::{
    CUSTOM_FIELDS, CustomKind, CustomList, CustomSource, Kind, List, Listed, LogLines, LogRead, Outline,
    Reference, Source, Unread,
};
use porthole_sdk::{ListEnd, OUTLINES, TableRow, kube_read::LogText, list_pages, prelude::*, table_rows};

/// Objects that the host reads at one time.
const AT_ONCE: usize = 64;
/// Objects in a page.
const PAGE: u32 = 250;
/// Pages of one list. What is behind them is reported as not read.
const PAGES: usize = 8;
/// Pods of a namespace that are outlined.
const MAX_OUTLINED: usize = 20_000;
/// Pages of outlines: so many if each has 500, as where values are masked.
const OUTLINE_PAGES: usize = 40;
/// Bytes of a log that reach the component.
const LOG_BYTES: u32 = 64 << 10;

/// The cluster as the caller may see it.
#[derive(Debug, Clone, Copy)]
pub struct Reads;

impl Source for Reads {
    fn now(&self) -> u64 {
        call::now()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
        let queries: Vec<ListQuery> = lists.iter().map(query).collect();
        let is_first_page = |number: usize| lists.get(number).is_some_and(|list| list.is_first_page);
        whole(&queries, |number| if is_first_page(number) { 1 } else { PAGES })
    }

    fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread> {
        let query = ListQuery {
            limit: Some(OUTLINES),
            view: View::Table,
            ..list_all_of(kind("pods"), Some(namespace.to_owned()), &[])
        };
        let mut outlines = Vec::new();
        let ends = list_pages(
            &[query],
            |_| OUTLINE_PAGES,
            |_, _, page| {
                let outline = |row: TableRow| {
                    let [name, ready, status] = ["name", "ready", "status"].map(|title| row.cell(title));
                    Outline { name, ready, status }
                };
                if outlines.len() >= MAX_OUTLINED {
                    return Err(format!("there are more than {}", outlines.len()));
                }
                outlines.extend(table_rows(page)?.into_iter().map(outline));
                Ok(())
            },
        );
        match ends.into_iter().next() {
            // Its namespace was given.
            Some(Ok(ListEnd::Whole | ListEnd::Namespaces(_))) => Ok(outlines),
            Some(Ok(ListEnd::PageLimit)) => {
                Err(Unread::Failed(format!("there are more than {}", outlines.len())))
            }
            Some(Ok(ListEnd::Failed(error)) | Err(error)) => Err(unread(error)),
            None => Err(Unread::Unsupported),
        }
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

/// Lists, each as far as its pages allow.
fn whole(queries: &[ListQuery], max_pages: impl Fn(usize) -> usize) -> Vec<Result<Listed, Unread>> {
    let mut items: Vec<Vec<Value>> = vec![Vec::new(); queries.len()];
    let ends = list_pages(queries, max_pages, |number, _, page| {
        if let Some(items) = items.get_mut(number) {
            items.extend(parsed::<Vec<Value>>(page)?);
        }
        Ok(())
    });
    items.into_iter().zip(ends).map(|(items, end)| listed(items, end)).collect()
}

impl CustomSource for Reads {
    fn kinds(&mut self) -> Result<Vec<CustomKind>, Unread> {
        let kinds = kube_read::kinds().map_err(unread)?.into_iter();
        let listed = kinds.filter(|kind| kind.verbs.iter().any(|verb| verb == "list"));
        Ok(listed
            .map(|kind| CustomKind {
                group: kind.group,
                plural: kind.plural,
                kind: kind.kind,
                short_names: kind.short_names,
                is_namespaced: kind.namespaced,
            })
            .collect())
    }

    fn customs(&mut self, lists: &[CustomList]) -> Vec<Result<Listed, Unread>> {
        let query = |list: &CustomList| {
            let fields: Vec<&str> = match list.name {
                Some(_) => CUSTOM_FIELDS.iter().copied().chain(["spec"]).collect(),
                None => CUSTOM_FIELDS.into(),
            };
            ListQuery {
                field_selector: list.name.as_ref().map(|name| format!("metadata.name={name}")),
                limit: Some(PAGE),
                ..list_all_of(kind(&list.kind.resource()), list.namespace.clone(), &fields)
            }
        };
        whole(&lists.iter().map(query).collect::<Vec<_>>(), |_| PAGES)
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

/// The objects of a list, with the reason if there are more.
fn listed(items: Vec<Value>, end: Result<ListEnd, ReadError>) -> Result<Listed, Unread> {
    let cut = match end.map_err(unread)? {
        ListEnd::Whole => String::new(),
        ListEnd::PageLimit => format!("only the first {}", items.len()),
        ListEnd::Failed(error) => error.message,
        ListEnd::Namespaces(read) => format!("only in {}", read.join(", ")),
    };
    Ok(Listed { items, cut })
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
