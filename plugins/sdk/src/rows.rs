//! Rows of the API server's own table, by the titles of its columns.

use std::rc::Rc;

use serde_json::Value;

use crate::parsed;

/// A row of a `meta.k8s.io/v1` Table.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// In lower case.
    titles: Rc<[String]>,
    cells: Vec<Value>,
}

impl TableRow {
    fn value(&self, title: &str) -> Option<&Value> {
        self.titles.iter().position(|other| other == title).and_then(|place| self.cells.get(place))
    }

    /// The text in the column of a title, which is in lower case; empty if there is none.
    pub fn cell(&self, title: &str) -> String {
        self.value(title).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The number in the column of a title, which is in lower case; 0 if there is none.
    pub fn number(&self, title: &str) -> u64 {
        self.value(title).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// The rows of a page that was read in the view `table` or `outline`.
///
/// # Errors
/// If the page is no table.
pub fn table_rows(page: &str) -> Result<Vec<TableRow>, String> {
    let mut table: Value = parsed(page)?;
    let array = |value: &mut Value, key: &str| match value.get_mut(key).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let titles: Rc<[String]> = array(&mut table, "columnDefinitions")
        .iter()
        .map(|column| column.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase())
        .collect();
    let rows = array(&mut table, "rows").into_iter();
    Ok(rows.map(|mut row| TableRow { titles: Rc::clone(&titles), cells: array(&mut row, "cells") }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_by_the_title_of_its_column() {
        let table = r#"{"columnDefinitions":[{"name":"Name"},{"name":"Ready"}],"rows":[{"cells":["web","1/1"]},{"cells":["db",3]}]}"#;
        let rows = table_rows(table).unwrap();
        let cells: Vec<[String; 3]> =
            rows.iter().map(|row| ["name", "ready", "age"].map(|title| row.cell(title))).collect();
        assert_eq!(cells, [["web", "1/1", ""], ["db", "", ""]]);
        assert_eq!([rows[0].number("ready"), rows[1].number("ready"), rows[1].number("age")], [0, 3, 0]);
    }
}
