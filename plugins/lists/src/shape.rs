//! The ways in which the objects of a page become rows, and the view of the API that each needs.

use porthole_field_path::{Path, PathError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    body,
    entry::{Entry, Key, Row},
    pages::{View, parse},
    request::Output,
    server_table::ServerTable,
};

/// The columns of a tool's own table.
pub struct Columns<'c, T> {
    /// The paths that a row needs.
    pub fields: &'c [&'c str],
    /// The titles, without the namespace.
    pub header: &'c [&'c str],
    /// Makes the row of an object.
    pub row: fn(&T) -> Row,
    /// True if the list shows the newest objects first, by [`Row::time`], instead of the unhealthy ones.
    pub newest_first: bool,
    /// True if the API server's table has a STATUS that equals [`Row::status`]: long lists are then counted by it, at a
    /// twentieth of the bytes.
    pub outlined: bool,
}

/// The way in which objects become rows.
pub(crate) enum Shape<'s> {
    /// The tool's own columns.
    Own {
        fields: Vec<String>,
        header: &'s [&'s str],
        rows: &'s dyn Fn(&str) -> Result<Vec<Entry>, String>,
        /// See [`Columns::outlined`].
        outlined: bool,
    },
    /// The API server's table; its header is known once a page was read.
    Server { header: Vec<String> },
    /// Chosen fields, as a table; objects are counted by them.
    Fields(Vec<Field>),
    /// The fields that conditions compare, as a table.
    Compared(Vec<Field>),
    /// Only names.
    Names,
    /// Objects, or chosen fields of them, as text.
    Bodies { fields: Vec<String>, output: Output },
}

/// A chosen field: the title as the caller wrote it, and its path.
pub(crate) struct Field {
    title: String,
    path: Path,
}

impl Field {
    pub(crate) fn parse(title: String) -> Result<Self, String> {
        let path = title.parse().map_err(|error: PathError| error.to_string())?;
        Ok(Self { title, path })
    }
}

/// The paths of an object's identity.
pub(crate) const IDENTITY: [&str; 2] = ["metadata.namespace", "metadata.name"];
/// The maximum number of whole objects in a page: they are large, and a few fill an answer.
const MAX_WHOLE_OBJECTS: u32 = 25;
/// The maximum number of objects in any other page.
const MAX_OBJECTS: u32 = 500;

impl Shape<'_> {
    /// The view to ask for; `others` are more paths to read, to sort or to choose by.
    pub(crate) fn view(&self, others: &[String]) -> View {
        let with = |fields: &mut dyn Iterator<Item = &str>| {
            let all = fields.map(str::to_owned).chain(IDENTITY.map(str::to_owned));
            View::Fields(all.chain(others.iter().cloned()).collect())
        };
        match self {
            Self::Own { fields, .. } => with(&mut fields.iter().map(String::as_str)),
            Self::Fields(fields) | Self::Compared(fields) => {
                with(&mut fields.iter().map(|field| field.title.as_str()))
            }
            Self::Names => with(&mut std::iter::empty()),
            Self::Server { .. } => View::Table,
            Self::Bodies { fields, .. } if fields.is_empty() => View::Whole,
            Self::Bodies { fields, .. } => with(&mut fields.iter().map(String::as_str)),
        }
    }

    /// True if objects can be counted by the API server's bare table.
    pub(crate) fn is_outlined(&self) -> bool {
        matches!(self, Self::Own { outlined: true, .. } | Self::Server { .. })
    }

    /// The maximum number of objects in a page.
    pub(crate) fn page_size(&self) -> u32 {
        match self {
            Self::Bodies { fields, .. } if fields.is_empty() => MAX_WHOLE_OBJECTS,
            _ => MAX_OBJECTS,
        }
    }

    /// The titles of the columns, without the namespace.
    pub(crate) fn header(&self) -> Vec<String> {
        match self {
            Self::Own { header, .. } => header.iter().map(|title| (*title).to_owned()).collect(),
            Self::Server { header } => header.clone(),
            Self::Fields(fields) | Self::Compared(fields) => std::iter::once("NAME".to_owned())
                .chain(fields.iter().map(|field| field.title.clone()))
                .collect(),
            Self::Names | Self::Bodies { .. } => vec!["NAME".to_owned()],
        }
    }

    /// The rows of the objects in an array or a table; `sort` is the path of their keys, if the list is sorted by one.
    pub(crate) fn entries(&mut self, json: &str, sort: Option<&Path>) -> Result<Vec<Entry>, String> {
        let mut entries: Vec<Entry> = match self {
            Self::Own { rows, .. } => rows(json)?,
            Self::Server { header } => {
                let table = ServerTable::read(json)?;
                *header = table.header;
                return Ok(table.rows.into_iter().map(Entry::of).collect());
            }
            Self::Names | Self::Fields(_) | Self::Compared(_) | Self::Bodies { .. } => identities(json)?,
        };
        // Parsing every object a second time is only worth it for what typed rows do not hold.
        if sort.is_none() && !matches!(self, Self::Fields(_) | Self::Compared(_) | Self::Bodies { .. }) {
            return Ok(entries);
        }
        for (entry, object) in entries.iter_mut().zip(parse::<Vec<Value>>(json)?) {
            if let Some(path) = sort {
                entry.key = Key::of(&object, path);
            }
            match self {
                Self::Fields(fields) => {
                    let cells: Vec<String> = fields.iter().map(|field| field.path.cell(&object)).collect();
                    entry.row.status = cells.join(" ");
                    entry.row.cells.extend(cells);
                }
                Self::Compared(fields) => {
                    entry.row.cells.extend(fields.iter().map(|field| field.path.cell(&object)));
                }
                Self::Bodies { output: Output::Json, .. } => entry.body = body::pruned(object).to_string(),
                Self::Bodies { .. } => entry.body = format!("---\n{}", body::yaml(object)?),
                _ => {}
            }
        }
        Ok(entries)
    }
}

/// Rows of objects that show only their names.
fn identities(json: &str) -> Result<Vec<Entry>, String> {
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Metadata {
        namespace: String,
        name: String,
    }
    let objects: Vec<Object> = parse(json)?;
    let rows = objects.into_iter().map(|Object { metadata: Metadata { namespace, name } }| Row {
        cells: vec![name.clone()],
        namespace,
        name,
        healthy: true,
        ..Row::default()
    });
    Ok(rows.map(Entry::of).collect())
}

/// Entries that a function makes of typed objects.
pub(crate) fn typed_entries<T: DeserializeOwned>(
    json: &str,
    entry: impl Fn(&T) -> Entry,
) -> Result<Vec<Entry>, String> {
    let objects: Vec<T> = parse(json)?;
    Ok(objects.iter().map(entry).collect())
}
