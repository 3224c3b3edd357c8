//! A row of a list, its sort key, and its size in an answer.

use porthole_field_path::{Path, quantity, text};
use serde_json::Value;

use crate::{
    one_line,
    request::{Direction, Output},
};

/// An object as a row of a list.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Row {
    /// The object's namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The cells under the tool's header, without the namespace.
    pub cells: Vec<String>,
    /// The status by which objects are counted: `Running`, `Warning`. Empty: the object counts for the total alone.
    pub status: String,
    /// True if nothing asks for attention; the others lead the list.
    pub healthy: bool,
    /// Seconds since 1970, for lists that show the newest first.
    pub time: u64,
}

/// A row, and the parts of the object that are not in it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    /// The object as YAML or JSON text, if the answer is in that form.
    pub(crate) body: String,
    pub(crate) key: Key,
    /// See [`Fold::alike`](crate::Fold); empty if the list does not fold.
    pub(crate) alike: String,
}

/// A sort key. Numbers and quantities come first, then texts, then objects without one.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum Key {
    Number(f64),
    Text(String),
    #[default]
    Missing,
}

impl Key {
    pub(crate) fn of_text(text: &str) -> Self {
        match quantity::parse(text.trim_end_matches('%')) {
            _ if text.is_empty() => Self::Missing,
            Some(number) => Self::Number(number),
            None => Self::Text(text.to_owned()),
        }
    }

    /// The largest of the values at a path.
    pub(crate) fn of(object: &Value, path: &Path) -> Self {
        let keys = path.values(object).into_iter().map(|value| Self::of_text(&text(value)));
        keys.max_by(|a, b| a.compare(b, Direction::Ascending)).unwrap_or_default()
    }

    /// The order of two keys; an object without one comes last in both directions.
    pub(crate) fn compare(&self, other: &Self, direction: Direction) -> std::cmp::Ordering {
        let rank = |key: &Self| match key {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Missing => 2,
        };
        let ascending = match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => return rank(self).cmp(&rank(other)),
        };
        match direction {
            Direction::Ascending => ascending,
            Direction::Descending => ascending.reverse(),
        }
    }
}

impl Entry {
    pub(crate) fn of(row: Row) -> Self {
        Self { row, ..Self::default() }
    }

    /// The object as text; its name and a notice if it alone is larger than an answer.
    pub(crate) fn body(&self, output: Output, max_bytes: usize) -> String {
        if self.body.len() <= max_bytes {
            return self.body.clone();
        }
        let Row { namespace, name, .. } = &self.row;
        let notice = format!("{} bytes, more than an answer has room for: choose fields", self.body.len());
        match output {
            Output::Json => {
                serde_json::json!({"metadata": {"namespace": namespace, "name": name}, "notice": notice})
                    .to_string()
            }
            _ => format!("---\n# {} {}: {notice}\n", one_line(namespace), one_line(name)),
        }
    }

    /// The approximate size in an answer, in bytes.
    pub(crate) fn len(&self) -> usize {
        let cells = self.row.cells.iter().map(|cell| cell.len().saturating_add(2));
        cells.sum::<usize>().saturating_add(self.row.namespace.len()).saturating_add(self.body.len())
    }
}
