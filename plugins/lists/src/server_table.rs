//! A `meta.k8s.io/v1` Table as rows: the columns that `kubectl get` shows, and the health of an object by them.

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

/// A parsed table; the column of namespaces is not in `header` and `cells`.
pub(crate) struct ServerTable {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl ServerTable {
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let table: Table = parse(json)?;
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
}
