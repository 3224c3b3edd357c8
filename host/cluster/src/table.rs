//! Server-side tables of lists: row by row, with the namespace and without the objects.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use porthole_contract::{Failure, Page};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    ReadBudget,
    objects::{ListMetadata, not_asked_for, text, unreadable},
    server::Answer,
    shape::Items,
};

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

/// Reads a table as it arrives; with a leading namespace column if `namespaces`.
pub(super) async fn table(
    mut answer: Answer<'_>,
    namespaces: bool,
    budget: &ReadBudget,
    what: &str,
) -> Result<Page, Failure> {
    let mut rows = Rows::new(namespaces);
    while let Some(chunk) = answer.chunk().await? {
        let before = rows.out.len();
        rows.feed(&chunk, budget, what)?;
        budget.hold(rows.out.len().saturating_sub(before), what).await?;
    }
    rows.page(budget, what)
}

/// Rows converted so far.
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

    fn feed(&mut self, chunk: &[u8], budget: &ReadBudget, what: &str) -> Result<(), Failure> {
        let Self { namespaces, items, out, count } = self;
        items.feed(chunk, |row| {
            if *count > 0 {
                out.push(b',');
            }
            *count = count.saturating_add(1);
            without_object(row, *namespaces, out).map_err(|error| unreadable(what, &error))?;
            budget.fits(out.len(), what)
        })
    }

    fn page(self, budget: &ReadBudget, what: &str) -> Result<Page, Failure> {
        let Self { namespaces, items, mut out, count } = self;
        let envelope = items.envelope().map_err(Failure::from)?;
        let Table { kind, api_version, metadata, mut column_definitions } =
            serde_json::from_slice(&envelope).map_err(|error| unreadable(what, &error))?;
        // A server without table support answers with the objects themselves.
        if kind != "Table" || !api_version.starts_with("meta.k8s.io/") {
            return Err(not_asked_for(what, &kind, "a table"));
        }
        if namespaces {
            let column = serde_json::json!({"name": "Namespace", "type": "string", "format": "", "description": "", "priority": 0});
            column_definitions.insert(0, column.as_object().cloned().unwrap_or_default());
        }
        out.extend_from_slice(br#"],"columnDefinitions":"#);
        serde_json::to_writer(&mut out, &column_definitions).map_err(|error| unreadable(what, &error))?;
        out.push(b'}');
        budget.fits(out.len(), what)?;
        Ok(metadata.page(text(what, out)?, count))
    }
}

/// Appends the cells of a row, after the namespace of its object if requested.
fn without_object(row: &[u8], namespace: bool, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let Row { cells, object } = serde_json::from_slice(row)?;
    out.extend_from_slice(br#"{"cells":["#);
    let mut first = true;
    if namespace {
        let namespace = object.map(|object| object.metadata.namespace).unwrap_or_default();
        serde_json::to_writer(&mut *out, &namespace)?;
        first = false;
    }
    for cell in cells {
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(cell.get().as_bytes());
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use porthole_contract::Reason;

    use super::*;

    fn page(body: &[u8], namespaces: bool, answer: usize) -> Result<Page, Failure> {
        let budget = ReadBudget::new(tokio::time::Instant::now(), 0, answer);
        let mut rows = Rows::new(namespaces);
        for piece in body.chunks(7) {
            rows.feed(piece, &budget, "pods")?;
        }
        rows.page(&budget, "pods")
    }

    #[test]
    fn a_table_over_all_namespaces_names_them_and_carries_no_object() {
        let body = br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7","continue":"t","remainingItemCount":3},
            "columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a",1.50],"object":{"metadata":{"namespace":"shop","labels":{"x":"y"}}}}, {"cells":[]}]}"#;
        let page = page(body, true, 1 << 20).unwrap();
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
            for namespaces in [true, false] {
                assert!(page(table(odd).as_bytes(), namespaces, 1 << 20).is_err(), "{odd}");
            }
        }
        for fine in ["[]", "[ ]", r#"["a]",[1],{"b":null}]"#, "[null]"] {
            for namespaces in [true, false] {
                let items = page(table(fine).as_bytes(), namespaces, 1 << 20).unwrap().items;
                assert!(serde_json::from_str::<Value>(&items).is_ok(), "{fine}: {items}");
            }
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
            let failure = page(other.as_bytes(), false, 1 << 20).unwrap_err();
            assert!(!failure.message.contains("aHVudGVyMg"), "{failure}");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_is_refused() {
        let refused = page(br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{"name":"Name"}],"rows":[]}"#, false, 10);
        assert_eq!(refused.unwrap_err().reason, Reason::TooLarge);
    }
}
