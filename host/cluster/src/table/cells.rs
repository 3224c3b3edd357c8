//! Cells of a table that show a masked field.
//!
//! A column does not say of which field it is, so a cell is masked if it holds a value that is masked in the row's object.
//! What the API server computes from a value, such as a count or an age, holds it no longer.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    Redaction, ValueMasks,
    shape::{CONFIGURED, Projection, copy},
};

/// Max masked values of one object that cells are compared with, and max bytes of them; with more, every cell is masked.
const MAX_VALUES: usize = 256;
const MAX_BYTES: usize = 16 << 10;
/// Min length of a value that is masked within a word, too.
const MIN_PART: usize = 4;

/// The row's object, as it was sent.
#[derive(Deserialize)]
struct Row<'b> {
    #[serde(borrow, default)]
    object: Option<&'b RawValue>,
}

/// Masked values of the objects of a table's rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellMasks<'m> {
    fields: Option<&'m Projection>,
}

/// Masked values of one object.
pub(super) enum Values {
    /// None that a cell could hold.
    None,
    These(Vec<String>),
    /// So many, or none that could be read, that every cell may hold one.
    Any,
}

impl<'m> CellMasks<'m> {
    pub(super) fn of(masks: &'m ValueMasks) -> Self {
        Self { fields: masks.fields() }
    }

    /// Finds the masked values of a row's object.
    pub(super) fn values(self, row: &[u8]) -> Result<Values, serde_json::Error> {
        let Some(fields) = self.fields else { return Ok(Values::None) };
        let Some(object) = serde_json::from_slice::<Row<'_>>(row)?.object else { return Ok(Values::Any) };
        let mut masked = Vec::new();
        copy(
            object.get().as_bytes(),
            fields.selection(),
            Redaction::Bookkeeping,
            &ValueMasks::default(),
            &mut masked,
        )?;
        // Before it is parsed, which takes many times its size.
        if masked.len() > MAX_BYTES {
            return Ok(Values::Any);
        }
        let mut values = Vec::new();
        collect(serde_json::from_slice(&masked)?, &mut values);
        Ok(if values.len() > MAX_VALUES { Values::Any } else { Values::These(values) })
    }
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

/// True if the text holds the value: as a whole word, or anywhere if the value is no short one.
fn holds_value(text: &str, value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() {
        return false;
    }
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

    fn mask(fields: &str, row: &str, cell: &str) -> Option<&'static str> {
        let masks = ValueMasks::new(&[fields.to_owned()], false).unwrap();
        let values = CellMasks::of(&masks).values(row.as_bytes()).unwrap();
        values.mask(serde_json::from_str::<&RawValue>(cell).unwrap())
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
        for row in ["{\"cells\":[]}", "{\"object\":null}", &many, &long] {
            assert_eq!(mask("spec.a", row, "\"app\""), Some(CONFIGURED), "{row:.40}");
        }
    }
}
