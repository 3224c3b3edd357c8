//! A `meta.k8s.io/v1` Table as rows: the columns that `kubectl get` shows, and what they say of how an object is.

use super::entry::Row;
use crate::read::parsed;

/// What objects that are well say under STATUS, of any kind; anything else comes first in a list.
const WELL: [&str; 20] = [
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

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Vec<Cells>,
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    priority: i32,
}

#[derive(serde::Deserialize)]
struct Cells {
    cells: Vec<serde_json::Value>,
}

/// The table, without the column of namespaces.
pub(super) struct ServerTable {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
}

impl ServerTable {
    pub(super) fn read(json: &str) -> Result<Self, String> {
        let table: Table = parsed(json)?;
        let title = |at: usize| table.column_definitions.get(at).map(|column| column.name.to_uppercase());
        let shown: Vec<(usize, String)> = table
            .column_definitions
            .iter()
            .enumerate()
            .filter(|(_, column)| column.priority == 0)
            .map(|(at, column)| (at, column.name.to_uppercase()))
            .collect();
        let namespaced = title(0).is_some_and(|title| title == "NAMESPACE");
        let rows = table.rows.iter().map(|row| {
            let mut cells = shown.iter().map(|(at, _)| row.cells.get(*at).map(cell).unwrap_or_default());
            let namespace = if namespaced { cells.next().unwrap_or_default() } else { String::new() };
            let cells: Vec<String> = cells.collect();
            let titles = || shown.iter().map(|(_, title)| title.as_str()).skip(usize::from(namespaced));
            let under = |title: &str| {
                titles().zip(&cells).find(|(other, _)| *other == title).map(|(_, cell)| cell.as_str())
            };
            let (word, well) = judged(under("STATUS"), under("READY"));
            Row { namespace, name: under("NAME").unwrap_or_default().to_owned(), word, well, cells, time: 0 }
        });
        let rows = rows.collect();
        let header = shown.into_iter().map(|(_, title)| title).skip(usize::from(namespaced)).collect();
        Ok(Self { header, rows })
    }
}

/// The word for an object, and whether it is well.
fn judged(status: Option<&str>, ready: Option<&str>) -> (String, bool) {
    let complete = match ready.and_then(|ready| ready.split_once('/')) {
        Some((ready, all)) => ready == all,
        None => !matches!(ready, Some("False" | "Unknown")),
    };
    match status {
        // As a pod is told: started, and not answering.
        Some("Running") if !complete => ("Running but not ready".to_owned(), false),
        Some(status) => {
            let ended = matches!(status, "Completed" | "Complete" | "Succeeded");
            let well = (complete || ended) && WELL.contains(&status.to_lowercase().as_str());
            (status.to_owned(), well)
        }
        None if ready.is_some() => ((if complete { "ready" } else { "not ready" }).to_owned(), complete),
        None => (String::new(), true),
    }
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if matches!(text.as_str(), "<none>" | "<unset>") => String::new(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_tell_how_an_object_is() {
        let table = ServerTable::read(
            r#"{"rows":[{"cells":["shop","data","Pending","<none>"]},{"cells":["shop","logs","Bound","x"]}],
            "columnDefinitions":[{"name":"Namespace"},{"name":"Name"},{"name":"Status"},{"name":"Mode","priority":1}]}"#,
        )
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(table.header, ["NAME", "STATUS"]);
        let told: Vec<(&str, &str, bool)> =
            table.rows.iter().map(|row| (row.namespace.as_str(), row.word.as_str(), row.well)).collect();
        assert_eq!(told, [("shop", "Pending", false), ("shop", "Bound", true)]);
        assert_eq!(judged(None, Some("1/3")), ("not ready".into(), false));
        assert_eq!(judged(Some("Running"), Some("0/1")), ("Running but not ready".into(), false));
        assert_eq!(judged(Some("Completed"), Some("0/1")), ("Completed".into(), true));
    }
}
