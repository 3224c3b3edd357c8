//! What many columns share: fields, selectors, containers and their images, as the API server prints them.

use jiff::Timestamp;
use serde_json::Value;

use crate::moments;

/// What is printed where there is nothing.
pub(super) const NONE: &str = "<none>";

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// As [`text`], but `<none>` where there is none.
pub(super) fn or_none(object: &Value, pointer: &str) -> Value {
    none_if_empty(text(object, pointer))
}

pub(super) fn none_if_empty(text: String) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// The whole number at a JSON pointer; 0 where there is none.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The elements at a JSON pointer.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> std::slice::Iter<'a, Value> {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    moments::age(object.pointer("/metadata/creationTimestamp").unwrap_or(&Value::Null), now).into()
}

/// The names of a template's containers, and their images.
pub(super) fn containers(object: &Value, template: &str) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let texts = items(object, &format!("{template}/spec/containers"));
        texts
            .map(|container| container[field].as_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(",")
            .into()
    })
}

/// A map of labels as a selector: `app=web,tier=front`.
pub(super) fn labels(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(",")
}

/// A LabelSelector (`metav1.FormatLabelSelector`).
pub(super) fn selector(selector: &Value) -> Value {
    if !selector.is_object() {
        return NONE.into();
    }
    let mut parts = vec![labels(&selector["matchLabels"])];
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.retain(|part| !part.is_empty());
    none_if_empty(parts.join(","))
}
