//! Oracle of arguments: what is coerced fits the schema, and coerced again it is the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{Map, Parameters, Value};

/// A schema is refused in a short line; arguments are refused, or fit their schema, and are the same when they are coerced again. The first line is the schema,
/// the second the arguments.
pub fn arguments(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let mut object = || serde_json::from_slice::<Map<String, Value>>(lines.next().unwrap_or_default()).ok();
    let Some(schema) = object() else { return };
    let parameters = match Parameters::parse(&schema) {
        Ok(parameters) => parameters,
        // Names of properties are bounded before by the sandbox; what is required was not once.
        Err(reason) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let is_named = properties.is_none_or(|properties| properties.keys().all(|name| name.len() <= 64));
            return assert!(!is_named || reason.len() < 4096, "a reason of {} bytes", reason.len());
        }
    };
    let Some(given) = object() else { return };
    let Ok(text) = parameters.coerce(given) else { return };
    let coerced: Map<String, Value> = serde_json::from_str(&text).expect("an object");
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &coerced {
        let property = properties.get(name).expect("a name of the schema");
        assert!(fits(property, value), "{name}: {value} does not fit {property}");
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(name.as_str().is_none_or(|name| coerced.contains_key(name)), "{name} is missing");
    }
    let again = parameters.coerce(coerced.clone()).expect("what fits is taken");
    let again: Map<String, Value> = serde_json::from_str(&again).expect("an object");
    assert!(
        alike(&Value::Object(again.clone()), &Value::Object(coerced.clone())),
        "{coerced:?}, then {again:?}"
    );
}

fn fits(property: &Value, value: &Value) -> bool {
    let bound = |key: &str| property.get(key).and_then(Value::as_f64);
    let within = value.as_f64().is_none_or(|number| {
        bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
    });
    let texts: Vec<&Value> = property
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|v| v.is_string())
        .collect();
    let allowed = !value.is_string() || texts.is_empty() || texts.contains(&value);
    let typed = match property["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
    };
    within && allowed && typed
}

/// Equal, but for the last bits of floats, of which serde_json may lose one at each reading.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            (a - b).abs() <= a.abs() * 1e-14
        }
        _ => one == other,
    }
}
