//! The arguments that every list tool takes.

use std::str::FromStr;

/// The request for a list; [`ListArguments`](crate::ListArguments) declares it.
#[derive(Default, Clone)]
pub struct Asked {
    /// `app=web,tier!=test`
    pub label_selector: Option<String>,
    /// `metadata.name=web`
    pub field_selector: Option<String>,
    /// Comma-separated paths, to show instead of the tool's own columns.
    pub fields: Option<String>,
    /// Rows at most.
    pub limit: Option<u32>,
    /// Where an earlier answer ended.
    pub continue_token: Option<String>,
    /// A column or a path; `-` before it for descending.
    pub sort_by: Option<String>,
    /// See [`Output`].
    pub output: Option<String>,
    /// Bytes of the answer at most; the host's own limit holds as well.
    pub max_bytes: Option<u32>,
}

/// Arguments that hold the request for a list.
pub trait ListRequest {
    /// The request.
    fn asked(&self) -> Asked;
}

/// How a list is answered.
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
    /// The same as one JSON object.
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
                    "output parameter must be one of table, names, count, yaml, json, not {text:?}"
                ));
            }
        })
    }
}

impl Asked {
    pub(super) fn output(&self) -> Result<Output, String> {
        self.output.as_deref().map_or(Ok(Output::default()), str::parse)
    }

    /// The paths of `fields`.
    pub(super) fn fields(&self) -> Vec<String> {
        crate::path::split(self.fields.as_deref()).into_iter().map(str::to_owned).collect()
    }

    /// The order that was asked for: what to sort by, and whether the largest comes first.
    pub(super) fn order(&self) -> Option<(String, bool)> {
        let by = self.sort_by.as_deref().map(str::trim).filter(|by| !by.is_empty())?;
        let (by, descending) = match by.strip_prefix('-') {
            Some(by) => (by, true),
            None => (by, false),
        };
        Some((by.trim_start_matches('.').to_owned(), descending))
    }

    pub(super) fn is_narrowed(&self) -> bool {
        self.label_selector.is_some() || self.field_selector.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_separated_by_commas_outside_of_brackets() {
        let asked = Asked {
            fields: Some(".spec.nodeName, metadata.labels['a,b'],".into()),
            sort_by: Some("-.spec.x".into()),
            ..Asked::default()
        };
        assert_eq!(asked.fields(), ["spec.nodeName", "metadata.labels['a,b']"]);
        assert_eq!(asked.order(), Some(("spec.x".into(), true)));
        assert!("tabel".parse::<Output>().is_err());
    }
}
