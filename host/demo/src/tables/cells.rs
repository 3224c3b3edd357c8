//! Shared cells: fields, selectors, containers and images, in the API server's format.

use jiff::Timestamp;
use serde_json::Value;

use crate::timestamps;

/// Placeholder for a missing value.
pub(super) const NONE: &str = "<none>";

/// Text at a JSON pointer; empty if missing.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// As [`text`], but `<none>` if missing.
pub(super) fn or_none(object: &Value, pointer: &str) -> Value {
    none_if_empty(text(object, pointer))
}

pub(super) fn none_if_empty(text: String) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// Integer at a JSON pointer; 0 if missing.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// Array elements at a JSON pointer.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> std::slice::Iter<'a, Value> {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    timestamps::age(object.pointer("/metadata/creationTimestamp").unwrap_or(&Value::Null), now).into()
}

/// Container names and images of a pod template.
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

/// Formats a map of labels as a selector: `app=web,tier=front`.
pub(super) fn labels(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(",")
}

/// Formats a LabelSelector like `metav1.FormatLabelSelector`.
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
