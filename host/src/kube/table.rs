//! The API server's own table of a list: row by row, with the namespace and without the objects.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Allowance, Failure, Page,
    objects::{ListMetadata, text, unreadable},
    server::Answer,
    shape::Items,
};

/// The table around its rows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default)]
    column_definitions: Vec<Value>,
}

/// Nothing of a row's object but its namespace is looked at.
#[derive(Deserialize)]
struct Row<'b> {
    #[serde(borrow)]
    cells: &'b RawValue,
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

/// Reads a table as it arrives; with a first column for the namespace where `namespaces`.
pub(super) async fn table(
    mut answer: Answer<'_>,
    namespaces: bool,
    allowance: &Allowance,
    what: &str,
) -> Result<Page, Failure> {
    let mut rows = Rows::new(namespaces);
    while let Some(chunk) = answer.chunk().await? {
        rows.feed(&chunk, allowance, what)?;
    }
    rows.page(allowance, what)
}

/// The rows so far.
struct Rows {
    namespaces: bool,
    items: Items,
    out: Vec<u8>,
    count: u32,
}

impl Rows {
    fn new(namespaces: bool) -> Self {
        Self { namespaces, items: Items::of("rows"), out: br#"{"rows":["#.to_vec(), count: 0 }
    }

    fn feed(&mut self, chunk: &[u8], allowance: &Allowance, what: &str) -> Result<(), Failure> {
        let Self { namespaces, items, out, count } = self;
        items.feed(chunk, |row| {
            if *count > 0 {
                out.push(b',');
            }
            *count = count.saturating_add(1);
            without_object(row, *namespaces, out).map_err(|error| unreadable(what, error))?;
            allowance.fits(out.len(), what)
        })
    }

    fn page(self, allowance: &Allowance, what: &str) -> Result<Page, Failure> {
        let Self { namespaces, items, mut out, count } = self;
        let envelope = items.envelope().map_err(Failure::from)?;
        let Table { metadata, mut column_definitions } =
            serde_json::from_slice(&envelope).map_err(|error| unreadable(what, error))?;
        if namespaces {
            let column = serde_json::json!({"name": "Namespace", "type": "string", "format": "", "description": "", "priority": 0});
            column_definitions.insert(0, column);
        }
        out.extend_from_slice(br#"],"columnDefinitions":"#);
        serde_json::to_writer(&mut out, &column_definitions).map_err(|error| unreadable(what, error))?;
        out.push(b'}');
        allowance.fits(out.len(), what)?;
        Ok(metadata.page(text(what, out)?, count))
    }
}

/// Appends the cells of a row, after the namespace of its object where it is wanted.
fn without_object(row: &[u8], namespace: bool, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let Row { cells, object } = serde_json::from_slice(row)?;
    let inner = cells.get().trim().strip_prefix('[').unwrap_or_default();
    out.extend_from_slice(br#"{"cells":["#);
    if namespace {
        let namespace = object.map(|object| object.metadata.namespace).unwrap_or_default();
        serde_json::to_writer(&mut *out, &namespace)?;
        if inner.trim() != "]" {
            out.push(b',');
        }
    }
    out.extend_from_slice(inner.as_bytes());
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::Reason;

    fn page(body: &[u8], namespaces: bool, answer: usize) -> Result<Page, Failure> {
        let allowance = Allowance::new(tokio::time::Instant::now(), 0, answer);
        let mut rows = Rows::new(namespaces);
        for piece in body.chunks(7) {
            rows.feed(piece, &allowance, "pods")?;
        }
        rows.page(&allowance, "pods")
    }

    #[test]
    fn a_table_over_all_namespaces_names_them_and_carries_no_object() {
        let body = br#"{"kind":"Table","metadata":{"resourceVersion":"7","continue":"t","remainingItemCount":3},
            "columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a",1.50],"object":{"metadata":{"namespace":"shop","labels":{"x":"y"}}}}, {"cells":[]}]}"#;
        let page = page(body, true, 1 << 20).unwrap();
        let shown: Value = serde_json::from_str(&page.items).unwrap();
        assert_eq!(shown["rows"], serde_json::json!([{"cells": ["shop", "a", 1.5]}, {"cells": [""]}]));
        assert_eq!(shown["columnDefinitions"][0]["name"], "Namespace");
        assert!(!page.items.contains("labels"));
        assert_eq!((page.count, page.continue_token.as_deref(), page.remaining), (2, Some("t"), Some(3)));
    }

    #[test]
    fn a_table_that_does_not_fit_is_refused() {
        let refused = page(br#"{"columnDefinitions":[{"name":"Name"}],"rows":[]}"#, false, 10);
        assert_eq!(refused.unwrap_err().reason, Reason::TooLarge);
    }
}
