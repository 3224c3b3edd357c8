//! Objects as YAML and JSON, without the API server's bookkeeping.

use serde_json::Value;

/// Bookkeeping of the API server that answers no question and costs tokens in every object.
const NOISE: [&str; 4] = ["uid", "resourceVersion", "generation", "selfLink"];

/// An object as YAML, without bookkeeping.
///
/// # Errors
/// A value that YAML cannot express; the text is for the caller.
pub fn yaml(object: Value) -> Result<String, String> {
    to_yaml(&pruned(object))
}

/// An object without bookkeeping.
pub fn pruned(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in NOISE {
            metadata.remove(key);
        }
    }
    object
}

/// Any value as YAML.
///
/// # Errors
/// As [`yaml`].
pub fn to_yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| format!("the object cannot be written as YAML: {error}"))
}
