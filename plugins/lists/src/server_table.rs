//! A `meta.k8s.io/v1` Table as rows: the columns that `kubectl get` shows, and the health of an object by them.

use serde_json::{Value, value::RawValue};

use crate::{entry::Row, pages::parse};

/// The values of STATUS of healthy objects of any kind, in lower case; any other value is unhealthy.
const HEALTHY: [&str; 20] = [
    "",
    "running",
    "succeeded",
    "completed",
    "complete",
    "active",
    "ready",
    "bound",
    "available",
    "healthy",
    "synced",
    "true",
    "deployed",
    "approved",
    "approved,issued",
    "issued",
    "established",
    "online",
    "valid",
    "enabled",
];

/// A table whose cells are not parsed yet: of most rows few are needed.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table<'j> {
    column_definitions: Vec<Column>,
    #[serde(borrow, default)]
    rows: Vec<Cells<'j>>,
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    priority: i32,
}

#[derive(serde::Deserialize)]
struct Cells<'j> {
    #[serde(borrow)]
    cells: Vec<&'j RawValue>,
}

impl Cells<'_> {
    /// Text of a cell; empty where there is none.
    fn text(&self, at: usize) -> String {
        self.cells.get(at).map(|cell| text(cell)).unwrap_or_default()
    }
}

/// A parsed table; the column of namespaces is not in `header` and `cells`.
pub(crate) struct ServerTable {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl ServerTable {
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let table: Table = parse(json)?;
        let shown = table.shown();
        let namespaced = table.title(0).is_some_and(|title| title == "NAMESPACE");
        let rows = table.rows.iter().map(|row| {
            let mut cells = shown.iter().map(|(at, _)| row.text(*at));
            let namespace = if namespaced { cells.next().unwrap_or_default() } else { String::new() };
            let cells: Vec<String> = cells.collect();
            let titles = || shown.iter().map(|(_, title)| title.as_str()).skip(usize::from(namespaced));
            let under = |title: &str| {
                titles().zip(&cells).find(|(other, _)| *other == title).map(|(_, cell)| cell.as_str())
            };
            let (status, healthy) = health(under("STATUS"), under("READY"));
            Row {
                namespace,
                name: under("NAME").unwrap_or_default().to_owned(),
                status,
                healthy,
                cells,
                time: 0,
            }
        });
        let rows = rows.collect();
        let header = shown.into_iter().map(|(_, title)| title).skip(usize::from(namespaced)).collect();
        Ok(Self { header, rows })
    }
}

impl Table<'_> {
    fn title(&self, at: usize) -> Option<String> {
        self.column_definitions.get(at).map(|column| column.name.to_uppercase())
    }

    /// Columns that `kubectl get` shows, by their indexes, with their titles.
    fn shown(&self) -> Vec<(usize, String)> {
        let columns = self.column_definitions.iter().enumerate().filter(|(_, column)| column.priority == 0);
        columns.map(|(at, column)| (at, column.name.to_uppercase())).collect()
    }
}

/// The status of each row, and true if it is healthy: what [`ServerTable::read`] finds, without the other cells.
pub(crate) fn statuses(json: &str) -> Result<Vec<(String, bool)>, String> {
    let table: Table = parse(json)?;
    let shown = table.shown();
    let column = |title: &str| shown.iter().find(|(_, other)| other == title).map(|(at, _)| *at);
    let (status, ready) = (column("STATUS"), column("READY"));
    let health = |row: &Cells| {
        let under = |column: Option<usize>| column.map(|at| row.text(at));
        health(under(status).as_deref(), under(ready).as_deref())
    };
    Ok(table.rows.iter().map(health).collect())
}

/// The status of an object for the counts, and true if it is healthy.
fn health(status: Option<&str>, ready: Option<&str>) -> (String, bool) {
    let complete = match ready.and_then(|ready| ready.split_once('/')) {
        Some((ready, all)) => ready == all,
        None => !matches!(ready, Some("False" | "Unknown")),
    };
    match status {
        // The status that the rows of pods have too: started, and not answering.
        Some("Running") if !complete => ("Running but not ready".to_owned(), false),
        Some(status) => {
            let ended = matches!(status, "Completed" | "Complete" | "Succeeded");
            let healthy = (complete || ended) && HEALTHY.contains(&status.to_lowercase().as_str());
            (status.to_owned(), healthy)
        }
        None if ready.is_some() => ((if complete { "ready" } else { "not ready" }).to_owned(), complete),
        None => (String::new(), true),
    }
}

/// The text of a cell, as `kubectl get` shows it; empty where that has a word for nothing.
fn text(cell: &RawValue) -> String {
    // A cell of a table that was parsed is JSON.
    match serde_json::from_str(cell.get()).unwrap_or_default() {
        Value::String(text) if matches!(text.as_str(), "<none>" | "<unset>") => String::new(),
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_show_the_health_of_an_object() {
        let table = ServerTable::read(
            r#"{"rows":[{"cells":["shop","data","Pending","<none>"]},{"cells":["shop","logs","Bound","x"]}],
            "columnDefinitions":[{"name":"Namespace"},{"name":"Name"},{"name":"Status"},{"name":"Mode","priority":1}]}"#,
        )
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(table.header, ["NAME", "STATUS"]);
        let rows: Vec<(&str, &str, bool)> =
            table.rows.iter().map(|row| (row.namespace.as_str(), row.status.as_str(), row.healthy)).collect();
        assert_eq!(rows, [("shop", "Pending", false), ("shop", "Bound", true)]);
        assert_eq!(health(None, Some("1/3")), ("not ready".into(), false));
        assert_eq!(health(Some("Running"), Some("0/1")), ("Running but not ready".into(), false));
        assert_eq!(health(Some("Completed"), Some("0/1")), ("Completed".into(), true));
    }

    #[test]
    fn statuses_are_those_of_the_rows() {
        for columns in [
            r#"{"name":"Name"},{"name":"Ready"},{"name":"Status"},{"name":"Age","priority":1}"#,
            r#"{"name":"Namespace"},{"name":"Status","priority":1},{"name":"Ready"},{"name":"Status"}"#,
            r#"{"name":"Name"}"#,
            "",
        ] {
            let rows = r#"{"cells":["a","0/1","Running","x"]},{"cells":["b","<none>","1/1","Running"]},{"cells":["c",null,7,"\u004fnline"]},{"cells":[]}"#;
            let json = format!(r#"{{"rows":[{rows}],"columnDefinitions":[{columns}]}}"#);
            let table = ServerTable::read(&json).unwrap_or_else(|error| panic!("{error}"));
            let expected: Vec<(String, bool)> =
                table.rows.into_iter().map(|row| (row.status, row.healthy)).collect();
            assert_eq!(statuses(&json), Ok(expected), "{columns}");
        }
    }
}
