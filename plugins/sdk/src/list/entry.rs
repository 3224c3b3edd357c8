//! What a list makes of each object, and the ways to make it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asked::Output;
use crate::{
    kube_read::{Page, View},
    list::server_table::ServerTable,
    object::pruned,
    path,
    pod::Metadata,
    quantity,
    read::parsed,
};

/// An object as a list tells it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Row {
    /// Empty where it has none.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The cells under the tool's header, without the namespace.
    pub cells: Vec<String>,
    /// The word that the counts sum up: `Running`, `Warning`. Empty: it is only counted.
    pub word: String,
    /// Whether nothing asks for attention; what does comes first.
    pub well: bool,
    /// Seconds since 1970, where a list is told newest first.
    pub time: u64,
}

/// A row, and what else the answer needs of the object.
#[derive(Debug, Default, Clone)]
pub(super) struct Entry {
    pub(super) row: Row,
    /// The object as text, for yaml and json.
    pub(super) body: String,
    pub(super) key: Key,
}

/// What an object is sorted by. Numbers and quantities come in their order, then texts, then what has none.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) enum Key {
    Number(f64),
    Text(String),
    #[default]
    None,
}

impl Key {
    pub(super) fn of_text(text: &str) -> Self {
        match quantity::parse(text.trim_end_matches('%')) {
            _ if text.is_empty() => Self::None,
            Some(number) => Self::Number(number),
            None => Self::Text(text.to_owned()),
        }
    }

    fn of(object: &Value, names: &[String]) -> Self {
        let keys = path::values(object, names).into_iter().map(|value| Self::of_text(&path::shown(value)));
        keys.max_by(|a, b| a.compare(b, false)).unwrap_or_default()
    }

    /// What has no key comes last, whichever the order.
    pub(super) fn compare(&self, other: &Self, descending: bool) -> std::cmp::Ordering {
        let rank = |key: &Self| match key {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::None => 2,
        };
        let ascending = match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => return rank(self).cmp(&rank(other)),
        };
        if descending { ascending.reverse() } else { ascending }
    }
}

/// How the objects of a list become rows.
pub(super) enum Shape<'s> {
    /// The tool's own columns.
    Own {
        fields: Vec<String>,
        header: &'s [&'s str],
        row: &'s dyn Fn(&str) -> Result<Vec<Row>, String>,
        /// Whether the API server's table tells how an object is, as these rows do.
        outlined: bool,
    },
    /// The API server's table.
    Server { header: Vec<String> },
    /// Chosen fields, as a table.
    Fields(Vec<String>),
    /// Only names.
    Names,
    /// Objects, or chosen fields of them, as text.
    Bodies { fields: Vec<String>, output: Output },
}

const NAME: [&str; 2] = ["metadata.namespace", "metadata.name"];

impl Shape<'_> {
    /// What to ask the host for; `sort` is one more path to read.
    pub(super) fn view(&self, sort: Option<&str>) -> View {
        let with = |fields: &[String]| {
            let all = fields.iter().map(String::as_str).chain(NAME).chain(sort);
            View::Fields(all.map(str::to_owned).collect())
        };
        match self {
            Self::Own { fields, .. } | Self::Fields(fields) => with(fields),
            Self::Names => with(&[]),
            Self::Server { .. } => View::Table,
            Self::Bodies { fields, .. } if fields.is_empty() => View::Whole,
            Self::Bodies { fields, .. } => with(fields),
        }
    }

    /// Whether counts can be made of the API server's bare table, which has a twentieth of the bytes.
    pub(super) fn is_outlined(&self) -> bool {
        matches!(self, Self::Own { outlined: true, .. } | Self::Server { .. })
    }

    /// Objects to ask for at once. Whole ones are large, and few of them fill an answer.
    pub(super) fn chunk(&self) -> u32 {
        match self {
            Self::Bodies { fields, .. } if fields.is_empty() => 25,
            _ => 500,
        }
    }

    /// The columns, without the namespace.
    pub(super) fn header(&self) -> Vec<String> {
        match self {
            Self::Own { header, .. } => header.iter().map(|title| (*title).to_owned()).collect(),
            Self::Server { header } => header.clone(),
            Self::Fields(fields) => {
                std::iter::once("NAME".to_owned()).chain(fields.iter().cloned()).collect()
            }
            Self::Names | Self::Bodies { .. } => vec!["NAME".to_owned()],
        }
    }

    /// The objects of a page. `sort` is a path, where the list is sorted by one.
    pub(super) fn entries(&mut self, page: &Page, sort: Option<&str>) -> Result<Vec<Entry>, String> {
        let json = &page.items;
        let mut entries: Vec<Entry> = match self {
            Self::Own { row, .. } => row(json)?.into_iter().map(Entry::of).collect(),
            Self::Server { header } => {
                let table = ServerTable::read(json)?;
                *header = table.header;
                return Ok(table.rows.into_iter().map(Entry::of).collect());
            }
            Self::Names | Self::Fields(_) | Self::Bodies { .. } => named(json)?,
        };
        let sort = sort.map(path::names);
        let columns: Vec<Vec<String>> = match self {
            Self::Fields(fields) => fields.iter().map(|field| path::names(field)).collect(),
            _ => Vec::new(),
        };
        if sort.is_none() && !matches!(self, Self::Fields(_) | Self::Bodies { .. }) {
            return Ok(entries);
        }
        for (entry, object) in entries.iter_mut().zip(parsed::<Vec<Value>>(json)?) {
            if let Some(names) = &sort {
                entry.key = Key::of(&object, names);
            }
            match self {
                Self::Fields(_) => {
                    let values: Vec<String> =
                        columns.iter().map(|names| path::cell(&object, names)).collect();
                    entry.row.word = values.join(" ");
                    entry.row.cells.extend(values);
                }
                Self::Bodies { output: Output::Json, .. } => entry.body = pruned(object).to_string(),
                Self::Bodies { .. } => {
                    entry.body = format!("---\n{}", crate::object::yaml(object)?);
                }
                _ => {}
            }
        }
        Ok(entries)
    }
}

impl Entry {
    fn of(row: Row) -> Self {
        Self { row, ..Self::default() }
    }

    /// The object as text; its name and a word where it alone is more than an answer has room for.
    pub(super) fn body(&self, output: Output, room: usize) -> String {
        if self.body.len() <= room {
            return self.body.clone();
        }
        let Row { namespace, name, .. } = &self.row;
        let notice = format!("{} bytes, more than an answer has room for: choose fields", self.body.len());
        match output {
            Output::Json => {
                serde_json::json!({"metadata": {"namespace": namespace, "name": name}, "notice": notice})
                    .to_string()
            }
            _ => format!("---\n# {namespace} {name}: {notice}\n"),
        }
    }

    /// About how many bytes it takes in an answer.
    pub(super) fn len(&self) -> usize {
        let cells = self.row.cells.iter().map(|cell| cell.len().saturating_add(2));
        cells.sum::<usize>().saturating_add(self.row.namespace.len()).saturating_add(self.body.len())
    }
}

/// The rows of objects that are only named.
fn named(json: &str) -> Result<Vec<Entry>, String> {
    #[derive(serde::Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    let objects: Vec<Named> = parsed(json)?;
    Ok(objects
        .into_iter()
        .map(|Named { metadata }| {
            let cells = vec![metadata.name.clone()];
            let row = Row {
                namespace: metadata.namespace,
                name: metadata.name,
                cells,
                well: true,
                ..Row::default()
            };
            Entry::of(row)
        })
        .collect())
}

/// The rows that a function makes of typed objects.
pub(super) fn typed<T: DeserializeOwned>(json: &str, row: impl Fn(&T) -> Row) -> Result<Vec<Row>, String> {
    let objects: Vec<T> = parsed(json)?;
    Ok(objects.iter().map(row).collect())
}
