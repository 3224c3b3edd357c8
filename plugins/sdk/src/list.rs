//! Lists: one page, as many rows of it as the answer has room for, and the way to the rest.

use serde::de::DeserializeOwned;

use crate::{
    Answer, Table, call,
    kube_read::{self, KindRef, ListQuery, Page, View},
    read::parsed,
    text,
};

/// Kept of the answer for the line on what was left out, whose continue token is a few hundred bytes long.
const NOTICE: usize = 1024;
/// How often a page is asked for again with fewer rows, so that its continue token stands where the answer ends.
const ATTEMPTS: usize = 3;

/// The arguments that every list tool takes; [`list_arguments!`](crate::list_arguments) declares them.
pub trait ListArguments {
    /// `app=web,tier!=test`
    fn label_selector(&self) -> Option<String>;
    /// `metadata.name=web`
    fn field_selector(&self) -> Option<String>;
    /// Rows at most.
    fn limit(&self) -> Option<u32>;
    /// Where an earlier answer ended.
    fn continue_token(&self) -> Option<String>;
}

/// What to list, and how it is called in the answer.
pub struct List {
    /// The kind.
    pub kind: KindRef,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// `pods`, for the words around the table.
    pub noun: String,
    /// Rows to read where the caller names no limit: about as many as fit into an answer.
    pub page: u32,
}

impl List {
    /// Lists objects with only these fields, a row each.
    pub fn rows<T: DeserializeOwned>(
        &self,
        arguments: &impl ListArguments,
        fields: &[&str],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Answer {
        let view = View::Fields(fields.iter().map(|field| (*field).to_owned()).collect());
        self.paged(arguments, view, |page| {
            let objects: Vec<T> = parsed(&page.items)?;
            let mut table = Table::new(header.iter().copied());
            for object in &objects {
                table.row(row(object));
            }
            Ok(table)
        })
    }

    /// Lists objects as the table that the API server makes of them.
    pub fn server_table(&self, arguments: &impl ListArguments) -> Answer {
        self.paged(arguments, View::Table, |page| ServerTable::read(&page.items))
    }

    fn paged(
        &self,
        arguments: &impl ListArguments,
        view: View,
        table: impl Fn(&Page) -> Result<Table, String>,
    ) -> Answer {
        let budget = (call::output_budget() as usize).saturating_sub(NOTICE);
        let mut limit = arguments.limit().filter(|limit| *limit > 0).unwrap_or(self.page);
        let mut query = ListQuery {
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            label_selector: arguments.label_selector(),
            field_selector: arguments.field_selector(),
            limit: Some(limit),
            continue_token: arguments.continue_token(),
            resource_version: None,
            view,
        };
        for _ in 0..ATTEMPTS {
            query.limit = Some(limit);
            let page = kube_read::list_objects(&query)?;
            let table = table(&page)?;
            let (rows, shown) = table.fit(budget);
            if shown == table.len() {
                return text(self.answer(rows, &page, arguments));
            }
            if shown == 0 {
                break;
            }
            limit = u32::try_from(shown).unwrap_or(limit);
        }
        Err(format!(
            "the {} are too long for one answer; ask with limit=1, or for one of them by name",
            self.noun
        ))
    }

    fn answer(&self, mut rows: String, page: &Page, arguments: &impl ListArguments) -> String {
        let place =
            self.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let narrowed = arguments.label_selector().is_some() || arguments.field_selector().is_some();
        if page.count == 0 {
            let by = if narrowed { " that match the selector" } else { "" };
            return format!("No {}{place}{by}.", self.noun);
        }
        if let Some(token) = &page.continue_token {
            let shown = page.count;
            let of = match page.remaining {
                Some(more) if arguments.continue_token().is_none() => {
                    format!("of {}", more + u64::from(shown))
                }
                Some(more) => format!("and {more} more"),
                None => "and there are more".to_owned(),
            };
            let narrow = if self.namespace.is_none() {
                "a namespace, labelSelector or fieldSelector"
            } else {
                "labelSelector or fieldSelector"
            };
            rows.push_str(&format!(
                "{shown} shown {of}; narrow it with {narrow}, or ask again with continue={token}\n"
            ));
        }
        rows
    }
}

/// A `meta.k8s.io/v1` Table, as far as it is shown.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerTable {
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    priority: i32,
}

#[derive(serde::Deserialize)]
struct Row {
    cells: Vec<serde_json::Value>,
}

impl ServerTable {
    /// Its columns of first priority: those that `kubectl get` shows without `-o wide`.
    fn read(json: &str) -> Result<Table, String> {
        let server: Self = parsed(json)?;
        let first = |at: usize| server.column_definitions.get(at).is_some_and(|column| column.priority == 0);
        let mut table = Table::new(
            server
                .column_definitions
                .iter()
                .filter(|column| column.priority == 0)
                .map(|column| column.name.to_uppercase()),
        );
        for row in &server.rows {
            let shown =
                row.cells.iter().enumerate().filter(|(at, _)| first(*at)).map(|(_, cell)| match cell {
                    serde_json::Value::String(text) if text == "<none>" => String::new(),
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Null => String::new(),
                    other => other.to_string(),
                });
            table.row(shown);
        }
        Ok(table)
    }
}
