//! Cells of a table that show a masked value.
//!
//! A column does not say of which field it is, so a cell is masked if it holds a value that is masked in the row's object.
//! A count or an age, which the API server computes from a value, holds it no longer.

use porthole_contract::Kind;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::NamespaceColumn;
use crate::{
    BUILT_IN, ValueMasks,
    shape::{CONFIGURED, MaskedTexts, masked_texts},
};

/// Max masked values of one object that cells are compared with, and max bytes of them; with more, every cell is masked.
const MAX_VALUES: usize = 256;
const MAX_BYTES: usize = 16 << 10;
/// Min length of a value that is masked within a word, too.
const MIN_PART: usize = 4;
/// Kind of what a server sends if it has no objects to send, or only their metadata.
const METADATA_ONLY: &str = "PartialObjectMetadata";

/// The row's object, as it was sent.
#[derive(Deserialize)]
struct Row<'b> {
    #[serde(borrow, default)]
    object: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: Value,
}

/// Masked values of the objects of a table's rows.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct CellMasks<'m> {
    masks: Option<&'m ValueMasks>,
}

/// Masked values of one object.
pub(super) enum Values {
    /// None that a cell could hold.
    None,
    /// Each as text and as JSON writes it.
    These(Vec<String>),
    /// So many, or none that could be read, that every cell may hold one.
    Any,
}

impl<'m> CellMasks<'m> {
    /// Masks of the tables of a kind. Tables of kinds of Kubernetes show no environment; of a custom kind a column may be of
    /// any field.
    pub(in super::super) fn of(masks: &'m ValueMasks, kind: &Kind) -> Self {
        let is_built_in =
            || BUILT_IN.iter().any(|known| known.group == kind.group && known.plural == kind.plural);
        let reaches = masks.has_fields() || (masks.has_environment() && !is_built_in());
        Self { masks: reaches.then_some(masks) }
    }

    /// True if whole objects come with the rows.
    pub(in super::super) fn reads_objects(self) -> bool {
        self.masks.is_some()
    }

    /// Part of each object that the API server adds to its row: masked values are looked for in the whole of it.
    pub(in super::super) fn row_object(self, column: NamespaceColumn) -> &'static str {
        match column {
            _ if self.reads_objects() => "Object",
            NamespaceColumn::Added => "Metadata",
            NamespaceColumn::Absent => "None",
        }
    }

    /// Finds the masked values of a row's object.
    pub(super) fn values(self, row: &[u8]) -> Result<Values, serde_json::Error> {
        let Some(masks) = self.masks else { return Ok(Values::None) };
        let Some(object) = serde_json::from_slice::<Row<'_>>(row)?.object else { return Ok(Values::Any) };
        if serde_json::from_str::<Object>(object.get())?.kind == METADATA_ONLY {
            return Ok(Values::Any);
        }
        Ok(match masked_texts(object.get().as_bytes(), masks, MAX_VALUES, MAX_BYTES)? {
            MaskedTexts::These(texts) => {
                Values::These(texts.iter().flat_map(|text| spellings(text)).collect())
            }
            MaskedTexts::TooMany => Values::Any,
        })
    }
}

/// A value as text and, if they differ, as JSON within a cell writes it: a column over a list or an object is JSON, and one
/// over annotations holds the JSON of an annotation that repeats the object, escaped twice.
fn spellings(value: &str) -> Vec<String> {
    let value = value.trim();
    if value.is_empty() {
        return vec![];
    }
    let once = escaped(value);
    let twice = once.iter().flat_map(|once| escaped(once));
    let mut spellings: Vec<String> =
        std::iter::once(value.to_owned()).chain(once.iter().cloned()).chain(twice).collect();
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

/// A text within a string of JSON, and as Go writes it, which also escapes what could end a script of HTML.
fn escaped(text: &str) -> [String; 2] {
    let json = Value::from(text).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json).to_owned();
    let mut for_html = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => for_html.push_str("\\u003c"),
            '>' => for_html.push_str("\\u003e"),
            '&' => for_html.push_str("\\u0026"),
            '\u{2028}' => for_html.push_str("\\u2028"),
            '\u{2029}' => for_html.push_str("\\u2029"),
            letter => for_html.push(letter),
        }
    }
    [json, for_html]
}

impl Values {
    /// The mask of a cell that holds one of the values.
    pub(super) fn mask(&self, cell: &RawValue) -> Option<&'static str> {
        let holds = match self {
            Self::None => false,
            Self::Any => cell.get() != "null",
            Self::These(values) if values.is_empty() => false,
            Self::These(values) => {
                let mut shown = Vec::new();
                // A cell that cannot be read is masked.
                serde_json::from_str(cell.get()).map_or(true, |cell| {
                    collect(cell, &mut shown);
                    shown.iter().any(|text| values.iter().any(|value| holds_value(text, value)))
                })
            }
        };
        holds.then_some(CONFIGURED)
    }
}

/// Appends the scalars of a value as text.
fn collect(value: Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(value) => found.push(value.to_string()),
        Value::Number(value) => found.push(value.to_string()),
        Value::String(text) => found.push(text),
        Value::Array(values) => values.into_iter().for_each(|value| collect(value, found)),
        Value::Object(values) => values.into_iter().for_each(|(_, value)| collect(value, found)),
    }
}

/// True if the text holds the value, which is not empty: as a whole word, or anywhere if the value is no short one.
fn holds_value(text: &str, value: &str) -> bool {
    let joins = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    text.match_indices(value).any(|(at, found)| {
        let (before, after) = (text.get(..at), text.get(at.saturating_add(found.len())..));
        value.len() >= MIN_PART
            || !(joins(before.and_then(|text| text.chars().next_back()))
                || joins(after.and_then(|text| text.chars().next())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, plural: &str) -> Kind {
        Kind {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
            singular: String::new(),
            kind: String::new(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        }
    }

    fn cell_mask(masks: &ValueMasks, row: &str, cell: &str) -> Option<&'static str> {
        let kind = kind("example.com", "databases");
        let values = CellMasks::of(masks, &kind).values(row.as_bytes()).unwrap();
        values.mask(serde_json::from_str::<&RawValue>(cell).unwrap())
    }

    fn mask(fields: &str, row: &str, cell: &str) -> Option<&'static str> {
        cell_mask(&ValueMasks::new(&[fields.to_owned()], false).unwrap(), row, cell)
    }

    #[test]
    fn the_environment_of_custom_kinds_is_masked() {
        let masks = ValueMasks::new(&[], true).unwrap();
        let row = r#"{"cells":[],"object":{"kind":"Db","spec":{"env":[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"LEVEL","value":"debug"}]}}}"#;
        assert_eq!(cell_mask(&masks, row, r#""hunter2""#), Some(CONFIGURED));
        assert_eq!(cell_mask(&masks, row, r#""debug""#), None);
        for (kind, environment, expected) in [
            (kind("example.com", "databases"), true, "Object"),
            (kind("example.com", "databases"), false, "None"),
            (kind("", "pods"), true, "None"),
            (kind("apps", "deployments"), true, "None"),
            (kind("apps", "widgets"), true, "Object"),
        ] {
            let masks = ValueMasks::new(&[], environment).unwrap();
            assert_eq!(
                CellMasks::of(&masks, &kind).row_object(NamespaceColumn::Absent),
                expected,
                "{kind:?}"
            );
        }
    }

    /// A column over an object or a list is JSON within the cell.
    #[test]
    fn a_value_is_found_as_json_writes_it() {
        for value in [r#"a"b"#, r"a\b", "line\ntwo", "a<b>&c", r#"<"\&"#, "a\u{2028}b", " padded "] {
            let object =
                serde_json::json!({"kind": "Db", "spec": {"login": {"password": value, "user": "app"}}});
            let row = serde_json::json!({"cells": [], "object": object}).to_string();
            let json = object["spec"]["login"].to_string();
            let by_go = |json: &str| {
                let html = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
                html.replace('\u{2028}', "\\u2028")
            };
            let mut cells = vec![value.to_owned(), json.clone(), by_go(&json)];
            // A copy of the object in an annotation, in a column over all annotations.
            for copy in [json.clone(), by_go(&json)] {
                let annotations = serde_json::json!({"copy": copy}).to_string();
                cells.extend([by_go(&annotations), annotations]);
            }
            for cell in cells {
                let cell = serde_json::json!(cell).to_string();
                assert_eq!(mask("spec.login.password", &row, &cell), Some(CONFIGURED), "{value:?}: {cell}");
            }
            assert_eq!(mask("spec.login.password", &row, r#""app""#), None, "{value:?}");
        }
    }

    #[test]
    fn cells_that_hold_a_masked_value_are_masked() {
        let row = r#"{"cells":[],"object":{"kind":"Db","spec":{"password":"hunter2","pins":["42",7],"open":true,"none":null,"user":"app"}}}"#;
        for (fields, cell) in [
            ("spec.password", r#""hunter2""#),
            ("spec.password", r#""app:hunter2@db""#),
            ("spec.password", r#""app:\u0068unter2""#),
            ("spec.password", r#"{"odd":["hunter2"]}"#),
            ("spec", r#""hunter2""#),
            ("spec.pins", r#""[42 8]""#),
            ("spec.pins", "7"),
            ("spec.pins", r#""42""#),
            ("spec.open", "true"),
        ] {
            assert_eq!(mask(fields, row, cell), Some(CONFIGURED), "{fields}: {cell}");
        }
        for (fields, cell) in [
            ("spec.password", r#""app""#),
            ("spec.pins", r#""142""#),
            ("spec.pins", r#""7m""#),
            ("spec.none", "null"),
            ("spec.absent", r#""hunter2""#),
        ] {
            assert_eq!(mask(fields, row, cell), None, "{fields}: {cell}");
        }
    }

    #[test]
    fn every_cell_is_masked_if_the_values_cannot_be_told() {
        let many: Vec<u32> = (0..300).collect();
        let many = serde_json::json!({"object": {"spec": {"a": many}}}).to_string();
        let long = serde_json::json!({"object": {"spec": {"a": "x".repeat(20 << 10)}}}).to_string();
        let metadata = r#"{"cells":[],"object":{"k\u0069nd":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}}"#;
        for row in ["{\"cells\":[]}", "{\"object\":null}", &many, &long, metadata] {
            assert_eq!(mask("spec.a", row, "\"app\""), Some(CONFIGURED), "{row:.40}");
        }
    }
}
