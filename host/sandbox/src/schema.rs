//! The schemas of a tool's arguments and result: bounded, and without what clients drop or run for ever on.

use porthole_contract::{Echo, MAX_ECHO, truncate};
use serde_json::{Map, Value};

/// Bytes of a schema, which every listing repeats (the attack was 60,000 properties: 5 MB a listing).
const MAX_SCHEMA: usize = 64 << 10;
/// Properties of a schema, at all depths together.
const MAX_PROPERTIES: usize = 64;
/// Bytes of the name of a property.
const MAX_PROPERTY_NAME: usize = 64;
/// Bytes of a description.
const MAX_DESCRIPTION: usize = 2 << 10;
/// Values of an `enum`, and bytes of one.
const MAX_CHOICES: usize = 128;
const MAX_CHOICE: usize = 256;
/// Levels of objects and arrays.
const MAX_DEPTH: usize = 12;
/// Keywords that refer elsewhere, run a regular expression in the client, or choose between schemas. Clients drop them, or
/// reject the whole tool; a `pattern` is a denial of service to the client that matches it.
const DENIED: [&str; 24] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "$defs",
    "definitions",
    "pattern",
    "patternProperties",
    "propertyNames",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentSchemas",
    "dependentRequired",
    "contains",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords whose value is data, in which any key may stand.
const DATA: [&str; 4] = ["default", "const", "enum", "examples"];

/// Reason that a schema is refused.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is not a JSON object.
    #[error("its {what} is not a JSON object: {}", truncate(&error.to_string(), MAX_ECHO))]
    Json {
        /// `input-schema` or `output-schema`.
        what: &'static str,
        error: serde_json::Error,
    },
    /// Something in it is over a bound, or is a keyword that clients drop.
    #[error("its {what} {reason}")]
    Refused {
        /// `input-schema` or `output-schema`.
        what: &'static str,
        reason: String,
    },
}

/// Parses a schema: a JSON object of at most 64 KiB, 64 properties and 12 levels, without `$ref`, `pattern` and the like.
pub(super) fn parse(what: &'static str, text: &str) -> Result<Map<String, Value>, SchemaError> {
    let refused = |reason| SchemaError::Refused { what, reason };
    if text.len() > MAX_SCHEMA {
        return Err(refused(format!("has {} bytes; at most {MAX_SCHEMA} are served", text.len())));
    }
    let schema: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| SchemaError::Json { what, error })?;
    SchemaCheck::default().check_schema(&schema, 1).map_err(refused)?;
    Ok(schema)
}

/// Counters of a check through a schema.
#[derive(Default)]
struct SchemaCheck {
    properties: usize,
}

impl SchemaCheck {
    fn check_schema(&mut self, schema: &Map<String, Value>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("is nested more than {MAX_DEPTH} levels deep"));
        }
        for (key, value) in schema {
            if DENIED.contains(&key.as_str()) {
                return Err(format!("uses {key}, which clients drop"));
            }
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => self.check_properties(properties, depth)?,
                ("properties", _) => return Err("has properties that are not an object".to_owned()),
                ("description" | "title", Value::String(text)) if text.len() > MAX_DESCRIPTION => {
                    let bytes = text.len();
                    return Err(format!(
                        "has a {key} of {bytes} bytes; at most {MAX_DESCRIPTION} are served"
                    ));
                }
                ("enum", Value::Array(choices)) => check_choices(choices)?,
                ("required", Value::Array(names)) => check_required(names)?,
                (key, value) if DATA.contains(&key) => check_data(value, depth)?,
                (_, value) => self.check_value(value, depth)?,
            }
        }
        Ok(())
    }

    fn check_properties(&mut self, properties: &Map<String, Value>, depth: usize) -> Result<(), String> {
        self.properties = self.properties.saturating_add(properties.len());
        if self.properties > MAX_PROPERTIES {
            return Err(format!("has more than {MAX_PROPERTIES} properties"));
        }
        for (name, property) in properties {
            if !is_property_name(name) {
                return Err(format!(
                    "has a property {}, which is not a letter and up to 63 letters, digits, '_' and '-'",
                    Echo(name)
                ));
            }
            let Value::Object(property) = property else {
                return Err(format!("has a property {name:?} that is not an object"));
            };
            // Two levels: the object of properties, and the property.
            self.check_schema(property, depth.saturating_add(2))?;
        }
        Ok(())
    }

    /// The value of any other keyword: schemas in it (`items`) obey the same rules.
    fn check_value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        let depth = depth.saturating_add(1);
        match value {
            Value::Object(schema) => self.check_schema(schema, depth),
            // Arrays in arrays never reach `schema`, which checks the depth of objects.
            Value::Array(_) if depth > MAX_DEPTH => check_data(value, depth),
            Value::Array(items) => items.iter().try_for_each(|item| self.check_value(item, depth)),
            _ => Ok(()),
        }
    }
}

/// Checks that only names of properties are required: a reason that a file is not served repeats them.
fn check_required(names: &[Value]) -> Result<(), String> {
    if names.len() > MAX_PROPERTIES {
        return Err(format!("requires more than {MAX_PROPERTIES} properties"));
    }
    let is_name = |name: &&Value| name.as_str().is_some_and(is_property_name);
    match names.iter().find(|name| !is_name(name)) {
        Some(Value::String(name)) => Err(format!("requires {}, which is no name of a property", Echo(name))),
        Some(other) => {
            let other = other.to_string();
            Err(format!("requires {}, which is no name of a property", truncate(&other, MAX_ECHO)))
        }
        None => Ok(()),
    }
}

/// Checks number and size of the values of an `enum`.
fn check_choices(choices: &[Value]) -> Result<(), String> {
    let long = |choice: &Value| match choice {
        Value::String(text) => text.len() > MAX_CHOICE,
        Value::Object(_) | Value::Array(_) => true,
        _ => false,
    };
    if choices.len() > MAX_CHOICES || choices.iter().any(long) {
        return Err(format!("has an enum of more than {MAX_CHOICES} plain values of {MAX_CHOICE} bytes"));
    }
    Ok(())
}

/// Checks the depth of a value that is no schema.
fn check_data(value: &Value, depth: usize) -> Result<(), String> {
    let depth = depth.saturating_add(1);
    if depth > MAX_DEPTH && (value.is_object() || value.is_array()) {
        return Err(format!("is nested more than {MAX_DEPTH} levels deep"));
    }
    match value {
        Value::Object(fields) => fields.values().try_for_each(|value| check_data(value, depth)),
        Value::Array(items) => items.iter().try_for_each(|value| check_data(value, depth)),
        _ => Ok(()),
    }
}

fn is_property_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    name.len() <= MAX_PROPERTY_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(plain)
}
