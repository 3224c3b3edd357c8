//! Whole objects as YAML, without what only machines read.

use serde_json::Value;

/// Bookkeeping of the API server that answers no question and costs tokens in every object.
const NOISE: [&str; 4] = ["uid", "resourceVersion", "generation", "selfLink"];

/// The object as YAML.
pub fn yaml(object: Value) -> Result<String, String> {
    written(&pruned(object))
}

/// The object without bookkeeping.
pub fn pruned(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in NOISE {
            metadata.remove(key);
        }
    }
    object
}

/// A value as YAML.
pub fn written(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| format!("the object cannot be written as YAML: {error}"))
}
