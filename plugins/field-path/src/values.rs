//! The values at a path of an object, and their text in a cell.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use crate::{Path, quantity};

/// Fields of Kubernetes' own kinds below which resources have their quantities.
const OF_RESOURCES: [&str; 8] =
    ["requests", "limits", "capacity", "allocatable", "hard", "used", "usage", "overhead"];

fn as_written<'t>(_: &str, text: &'t str) -> Cow<'t, str> {
    Cow::Borrowed(text)
}

impl Path {
    /// The values at this path, in order; arrays contribute each of their elements, null contributes nothing.
    pub fn values<'v>(&self, object: &'v Value) -> Vec<&'v Value> {
        let mut found = Vec::new();
        collect(object, self.names(), &mut found);
        found
    }

    /// The values at this path as the text of a cell, joined with commas; empty if there are none. Bytes of a resource are in
    /// the units of people.
    pub fn cell(&self, object: &Value) -> String {
        let name = self.names().last().map(String::as_str).unwrap_or_default();
        // Keys elsewhere, in a ConfigMap or among labels, are a user's own, whatever they end in.
        let is_of_resources = self.names().iter().any(|name| OF_RESOURCES.contains(&name.as_str()));
        let string = if is_of_resources { quantity::of_resource } else { as_written };
        let values = self.values(object).into_iter();
        let texts: Vec<String> = values.map(|value| render(value, name, string)).collect();
        texts.join(",")
    }
}

fn collect<'v>(value: &'v Value, names: &[String], found: &mut Vec<&'v Value>) {
    match (value, names.split_first()) {
        (Value::Array(items), _) => items.iter().for_each(|item| collect(item, names, found)),
        (Value::Null, None) => {}
        (value, None) => found.push(value),
        (value, Some((name, below))) => {
            if let Some(value) = value.get(name) {
                collect(value, below, found);
            }
        }
    }
}

/// A value as text: a string as it is, `key=value` for the entries of a flat map, anything deeper as JSON.
pub fn text(value: &Value) -> String {
    render(value, "", as_written)
}

/// The text of the value of a key; `string` says how strings are shown.
fn render(value: &Value, key: &str, string: for<'t> fn(&str, &'t str) -> Cow<'t, str>) -> String {
    match value {
        Value::String(text) => string(key, text).into_owned(),
        Value::Object(entries) if entries.values().all(|value| !value.is_object() && !value.is_array()) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}={}", render(value, key, string))).collect();
            entries.join(",")
        }
        other => other.to_string(),
    }
}
