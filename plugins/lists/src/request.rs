//! The arguments of a list, as a caller gives them.

use std::str::FromStr;

use porthole_field_path::{Filter, echo};

/// The request of a caller. Every field is text from outside and is parsed here.
#[derive(Debug, Default, Clone)]
pub struct ListRequest {
    /// `app=web,tier!=test`
    pub label_selector: Option<String>,
    /// `metadata.name=web`
    pub field_selector: Option<String>,
    /// Conditions that the objects shown meet: `status.phase!=Running,spec.replicas>1`.
    pub filter: Option<String>,
    /// Comma-separated paths, to show instead of the tool's own columns.
    pub fields: Option<String>,
    /// The maximum number of rows of an answer; 0 and `None`: as many as fit.
    pub limit: Option<u32>,
    /// The token of an earlier answer, to continue after it.
    pub continue_token: Option<String>,
    /// A column or a path to sort by; `-` before it for descending order.
    pub sort_by: Option<String>,
    /// The form of the answer, see [`Output`].
    pub output: Option<String>,
    /// The maximum size of the answer in bytes; the budget of the host holds as well.
    pub max_bytes: Option<u32>,
}

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The title of a column, or a path.
    pub(crate) by: String,
    pub(crate) direction: Direction,
}

/// The direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Order {
    /// True if it can only be a path; a column's title has neither dot nor bracket.
    pub(crate) fn is_path(&self) -> bool {
        self.by.contains(['.', '['])
    }
}

/// The form of an answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Counts, then a table.
    #[default]
    Table,
    /// Names, a line each.
    Names,
    /// Counts alone.
    Count,
    /// Whole objects, or the chosen fields of each, as YAML.
    Yaml,
    /// The same, as one JSON object.
    Json,
}

impl FromStr for Output {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_lowercase().as_str() {
            "table" | "wide" => Self::Table,
            "names" | "name" => Self::Names,
            "count" => Self::Count,
            "yaml" => Self::Yaml,
            "json" => Self::Json,
            _ => {
                return Err(format!(
                    "output parameter must be one of table, names, count, yaml, json, not {}",
                    echo(text)
                ));
            }
        })
    }
}

impl ListRequest {
    pub(crate) fn output(&self) -> Result<Output, String> {
        self.output.as_deref().map_or(Ok(Output::default()), str::parse)
    }

    /// The paths of `fields`; they are the titles of their columns too, and therefore begin without a dot.
    pub(crate) fn fields(&self) -> Vec<String> {
        let paths = porthole_field_path::split(self.fields.as_deref().unwrap_or_default()).into_iter();
        paths.map(|path| path.trim_start_matches('.').to_owned()).filter(|path| !path.is_empty()).collect()
    }

    /// The conditions, if there are any.
    pub(crate) fn filter(&self) -> Result<Option<Filter>, String> {
        let filter: Filter = self
            .filter
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error| format!("where parameter: {error}"))?;
        Ok(Some(filter).filter(|filter| !filter.conditions().is_empty()))
    }

    /// The requested order, if any.
    pub(crate) fn order(&self) -> Option<Order> {
        let by = self.sort_by.as_deref().map(str::trim).filter(|by| !by.is_empty())?;
        let (by, direction) = match by.strip_prefix('-') {
            Some(by) => (by, Direction::Descending),
            None => (by, Direction::Ascending),
        };
        Some(Order { by: by.trim_start_matches('.').to_owned(), direction })
    }

    /// The maximum number of rows.
    pub(crate) fn max_rows(&self) -> usize {
        self.limit.filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize)
    }

    pub(crate) fn is_narrowed(&self) -> bool {
        self.label_selector.is_some() || self.field_selector.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_separated_by_commas_outside_of_brackets() {
        let request = ListRequest {
            fields: Some(".spec.nodeName, metadata.labels['a,b'],".into()),
            sort_by: Some("-.spec.x".into()),
            ..ListRequest::default()
        };
        assert_eq!(request.fields(), ["spec.nodeName", "metadata.labels['a,b']"]);
        assert_eq!(request.order(), Some(Order { by: "spec.x".into(), direction: Direction::Descending }));
        assert!("tabel".parse::<Output>().is_err());
    }
}
