//! Server-side tables of lists: row by row, with the namespace and without the objects.

mod cells;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use porthole_contract::{Failure, Page};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    ReadBudget, Redaction,
    envelope::{ListMetadata, count_masked, decode_error, into_utf8, wrong_kind},
    mask::is_plain,
    server::BoundedResponse,
    shape::{Items, copy_message},
};
pub(super) use cells::CellMasks;
use cells::Values;

/// The table without its rows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default)]
    column_definitions: Vec<Map<String, Value>>,
}

/// A row. Of its object only the namespace is parsed.
#[derive(Deserialize)]
struct Row<'b> {
    #[serde(borrow)]
    cells: Vec<&'b RawValue>,
    #[serde(default)]
    object: Option<RowObject>,
}

#[derive(Deserialize)]
struct RowObject {
    #[serde(default)]
    metadata: RowMetadata,
}

#[derive(Deserialize, Default)]
struct RowMetadata {
    #[serde(default)]
    namespace: String,
}

/// The column of namespaces that the host adds in front of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamespaceColumn {
    /// The list covers all namespaces.
    Added,
    Absent,
}

/// Reads a table as it arrives.
pub(super) async fn table(
    mut answer: BoundedResponse<'_>,
    column: NamespaceColumn,
    redaction: Redaction,
    masks: CellMasks<'_>,
    budget: &ReadBudget,
    what: &str,
) -> Result<Page, Failure> {
    let mut rows = Rows::new(column, redaction, masks);
    let scratch = budget.scratch();
    while let Some(chunk) = answer.chunk().await? {
        scratch.hold_up_to(rows.items.buffered().saturating_add(chunk.len()), what).await?;
        let before = rows.out.len();
        rows.feed(&chunk, budget, what)?;
        budget.hold(rows.out.len().saturating_sub(before), what).await?;
    }
    count_masked(budget, redaction, rows.masked, &rows.out);
    rows.page(budget, what)
}

/// Rows converted so far.
struct Rows<'m> {
    column: NamespaceColumn,
    redaction: Redaction,
    masks: CellMasks<'m>,
    items: Items,
    out: Vec<u8>,
    count: u32,
    /// Cells that the operator's masks replaced.
    masked: u64,
}

impl<'m> Rows<'m> {
    fn new(column: NamespaceColumn, redaction: Redaction, masks: CellMasks<'m>) -> Self {
        let (items, out) = (Items::of("rows"), br#"{"rows":["#.to_vec());
        Self { column, redaction, masks, items, out, count: 0, masked: 0 }
    }

    fn feed(&mut self, chunk: &[u8], budget: &ReadBudget, what: &str) -> Result<(), Failure> {
        let Self { column, redaction, masks, items, out, count, masked } = self;
        items.feed(chunk, |row| {
            if *count > 0 {
                out.push(b',');
            }
            *count = count.saturating_add(1);
            let here =
                masks.values(row).and_then(|values| append_cells(row, *column, *redaction, &values, out));
            *masked = masked.saturating_add(here.map_err(|error| decode_error(what, &error))?);
            budget.check_size(out.len(), what)
        })
    }

    fn page(self, budget: &ReadBudget, what: &str) -> Result<Page, Failure> {
        let Self { column, items, mut out, count, .. } = self;
        let envelope = items.envelope().map_err(Failure::from)?;
        let Table { kind, api_version, metadata, mut column_definitions } =
            serde_json::from_slice(&envelope).map_err(|error| decode_error(what, &error))?;
        // A server without table support answers with the objects themselves.
        if kind != "Table" || !api_version.starts_with("meta.k8s.io/") {
            return Err(wrong_kind(what, &kind, "a table"));
        }
        if column == NamespaceColumn::Added {
            let column = serde_json::json!({"name": "Namespace", "type": "string", "format": "", "description": "", "priority": 0});
            column_definitions.insert(0, column.as_object().cloned().unwrap_or_default());
        }
        out.extend_from_slice(br#"],"columnDefinitions":"#);
        serde_json::to_writer(&mut out, &column_definitions).map_err(|error| decode_error(what, &error))?;
        out.push(b'}');
        budget.check_size(out.len(), what)?;
        Ok(metadata.page(into_utf8(what, out)?, count))
    }
}

/// Appends the cells of a row, after the namespace of its object if there is a column for it. Returns how many of them the
/// operator's masks replaced.
fn append_cells(
    row: &[u8],
    column: NamespaceColumn,
    redaction: Redaction,
    values: &Values,
    out: &mut Vec<u8>,
) -> Result<u64, serde_json::Error> {
    let Row { cells, object } = serde_json::from_slice(row)?;
    out.extend_from_slice(br#"{"cells":["#);
    let (mut first, mut masked) = (true, 0_u64);
    if column == NamespaceColumn::Added {
        let namespace = object.map(|object| object.metadata.namespace).unwrap_or_default();
        serde_json::to_writer(&mut *out, &namespace)?;
        first = false;
    }
    for cell in cells {
        if !first {
            out.push(b',');
        }
        first = false;
        if let Some(mask) = values.mask(cell) {
            masked = masked.saturating_add(1);
            serde_json::to_writer(&mut *out, mask)?;
        // A table does not say which of its columns is a message, so each text of it is masked.
        } else if redaction == Redaction::Messages && !is_plain(cell.get().trim_matches('"').as_bytes()) {
            copy_message(cell.get().as_bytes(), out)?;
        } else {
            out.extend_from_slice(cell.get().as_bytes());
        }
    }
    out.extend_from_slice(b"]}");
    Ok(masked)
}

#[cfg(test)]
mod tests {
    use porthole_contract::Reason;

    use super::*;

    fn page(body: &[u8], column: NamespaceColumn, answer: usize) -> Result<Page, Failure> {
        let budget = ReadBudget::new(tokio::time::Instant::now(), 0, answer);
        let mut rows = Rows::new(column, Redaction::Bookkeeping, CellMasks::default());
        for piece in body.chunks(7) {
            rows.feed(piece, &budget, "pods")?;
        }
        rows.page(&budget, "pods")
    }

    #[test]
    fn a_table_over_all_namespaces_names_them_and_carries_no_object() {
        let body = br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7","continue":"t","remainingItemCount":3},
            "columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a",1.50],"object":{"metadata":{"namespace":"shop","labels":{"x":"y"}}}}, {"cells":[]}]}"#;
        let page = page(body, NamespaceColumn::Added, 1 << 20).unwrap();
        let shown: Value = serde_json::from_str(&page.items).unwrap();
        assert_eq!(shown["rows"], serde_json::json!([{"cells": ["shop", "a", 1.5]}, {"cells": [""]}]));
        assert_eq!(shown["columnDefinitions"][0]["name"], "Namespace");
        assert!(!page.items.contains("labels"));
        assert_eq!((page.count, page.continue_token.as_deref(), page.remaining), (2, Some("t"), Some(3)));
    }

    #[test]
    fn odd_cells_never_give_broken_json() {
        let table = |cells: &str| {
            format!(
                r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{{"name":"Name"}}],"rows":[{{"cells":{cells}}}]}}"#
            )
        };
        for odd in ["null", "5", r#""a]""#, r#"{"a":[]}"#, "true"] {
            for column in [NamespaceColumn::Added, NamespaceColumn::Absent] {
                assert!(page(table(odd).as_bytes(), column, 1 << 20).is_err(), "{odd}");
            }
        }
        for fine in ["[]", "[ ]", r#"["a]",[1],{"b":null}]"#, "[null]"] {
            for column in [NamespaceColumn::Added, NamespaceColumn::Absent] {
                let items = page(table(fine).as_bytes(), column, 1 << 20).unwrap().items;
                assert!(serde_json::from_str::<Value>(&items).is_ok(), "{fine}: {items}");
            }
        }
    }

    #[test]
    fn secrets_in_the_cells_of_events_are_masked_and_counted() {
        let row = r#"{"cells":["1m",{"odd":["password=hunter2"]},"login token=hunter2"],"object":{"metadata":{"namespace":"shop"}}}"#;
        let body = format!(
            r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{{"name":"Message"}}],"rows":[{row}]}}"#
        );
        for column in [NamespaceColumn::Added, NamespaceColumn::Absent] {
            let budget = ReadBudget::new(tokio::time::Instant::now(), 0, 1 << 20);
            let mut rows = Rows::new(column, Redaction::Messages, CellMasks::default());
            rows.feed(body.as_bytes(), &budget, "events").unwrap();
            count_masked(&budget, Redaction::Messages, rows.masked, &rows.out);
            let items = rows.page(&budget, "events").unwrap().items;
            assert!(!items.contains("hunter2") && items.contains("<masked: token>"), "{items}");
            assert_eq!(budget.masked(), 2);
        }
    }

    #[test]
    fn what_is_no_table_is_never_handed_out() {
        for other in [
            r#"{"kind":"Secret","apiVersion":"v1","data":{"password":"aHVudGVyMg=="}}"#,
            r#"{"kind":"SecretList","apiVersion":"v1","items":[{"data":{"password":"aHVudGVyMg=="}}]}"#,
            r#"{"kind":"Table","apiVersion":"v1","rows":[]}"#,
            r#"{"rows":[]}"#,
            r#""aHVudGVyMg==""#,
        ] {
            let failure = page(other.as_bytes(), NamespaceColumn::Absent, 1 << 20).unwrap_err();
            assert!(!failure.message.contains("aHVudGVyMg"), "{failure}");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_is_refused() {
        let refused = page(br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{"name":"Name"}],"rows":[]}"#, NamespaceColumn::Absent, 10);
        assert_eq!(refused.unwrap_err().reason, Reason::TooLarge);
    }
}
