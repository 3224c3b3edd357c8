//! Tool arguments: parses the schema subset that every client supports, and coerces values to it.
//!
//! Dify flattens schemas and sends numbers as strings (`research/dify-client.md` §1.5), so values are coerced if their
//! meaning is unambiguous, and rejected with a sentence otherwise. The subset is a page of code; a general JSON Schema
//! validator would neither coerce nor report that a schema is outside of it.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use porthole_contract::{Echo, MAX_ECHO, truncate};
use serde_json::{Map, Number, Value};

/// Maximum size of a call's arguments, in bytes. The longest legitimate value is a `continue` token of a few kilobytes.
const MAX_ARGUMENTS: usize = 64 << 10;

/// Maximum bytes of the choices that an error lists; a schema may hold 128 of 256 bytes.
const MAX_CHOICES: usize = 1 << 10;

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Number,
    Boolean,
    TextList,
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
struct Parameter {
    name: String,
    ty: Type,
    required: bool,
    default: Option<Value>,
    allowed: Vec<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    description: String,
}

/// Parameters of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Parses a schema. Anything outside of the subset is an error: a client would drop it silently.
    pub(super) fn parse(schema: &Map<String, Value>) -> Result<Self, String> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("its input-schema has no \"type\": \"object\" at the root".to_owned());
        }
        if let Some(key) =
            ["$ref", "anyOf", "oneOf", "allOf", "$defs"].iter().find(|key| schema.contains_key(**key))
        {
            return Err(format!("its input-schema uses {key}, which clients drop"));
        }
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let parameters = properties
            .iter()
            .map(|(name, property)| Parameter::parse(name, property, required.contains(&name.as_str())))
            .collect::<Result<Vec<_>, _>>()?;
        match required.iter().find(|name| !properties.contains_key(**name)) {
            Some(name) => Err(format!("its input-schema requires {} and does not describe it", Echo(name))),
            None => Ok(Self(parameters)),
        }
    }

    /// Returns the arguments as JSON that fits the schema: coerced, with defaults filled in and blanks removed.
    pub(super) fn coerce(&self, arguments: Map<String, Value>) -> Result<String, String> {
        if !within_limit(&arguments) {
            return Err(format!("its arguments are over {MAX_ARGUMENTS} bytes; no question needs as many"));
        }
        let mut coerced = Map::new();
        for (name, value) in arguments {
            let parameter = self.find(&name)?;
            if is_blank(&value) {
                continue;
            }
            let value = parameter.coerce(value)?;
            // A list of nothing, where a text was requested.
            if is_blank(&value) {
                continue;
            }
            if coerced.insert(parameter.name.clone(), value).is_some() {
                return Err(format!("{} parameter is given twice", parameter.name));
            }
        }
        for parameter in &self.0 {
            if coerced.contains_key(&parameter.name) {
                continue;
            }
            if parameter.required {
                return Err(format!("{} parameter required: {}", parameter.name, parameter.description));
            }
            if let Some(default) = &parameter.default {
                coerced.insert(parameter.name.clone(), default.clone());
            }
        }
        Ok(Value::Object(coerced).to_string())
    }

    /// Finds a parameter by name; `label_selector` matches `labelSelector`, as other servers call it.
    fn find(&self, name: &str) -> Result<&Parameter, String> {
        let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
        let requested = plain(truncate(name, MAX_ECHO));
        self.0
            .iter()
            .find(|parameter| parameter.name == name)
            .or_else(|| self.0.iter().find(|parameter| plain(&parameter.name) == requested))
            .ok_or_else(|| {
                let names: Vec<&str> = self.0.iter().map(|parameter| parameter.name.as_str()).collect();
                if names.is_empty() {
                    format!("unknown argument {}; it takes none", Echo(name))
                } else {
                    format!("unknown argument {}; it takes {}", Echo(name), names.join(", "))
                }
            })
    }
}

impl Parameter {
    fn parse(name: &str, property: &Value, required: bool) -> Result<Self, String> {
        let ty = match property.get("type").and_then(Value::as_str) {
            Some("string") => Type::Text,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("boolean") => Type::Boolean,
            Some("array") if property.pointer("/items/type").and_then(Value::as_str) == Some("string") => {
                Type::TextList
            }
            _ => {
                return Err(format!(
                    "its argument {} is not a string, integer, number, boolean or array of string; clients drop other types",
                    Echo(name)
                ));
            }
        };
        let allowed = property
            .get("enum")
            .and_then(Value::as_array)
            .map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let mut parameter = Self {
            name: name.to_owned(),
            ty,
            required,
            default: None,
            allowed,
            minimum: property.get("minimum").and_then(Value::as_f64),
            maximum: property.get("maximum").and_then(Value::as_f64),
            description: property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        if let Some(default) = property.get("default") {
            let coerced = parameter.coerce(default.clone());
            parameter.default = Some(coerced.map_err(|error| format!("its default does not fit: {error}"))?);
        }
        Ok(parameter)
    }

    fn coerce(&self, value: Value) -> Result<Value, String> {
        let Some(coerced) = self.ty.coerce(&value) else {
            return Err(format!("{} parameter must be {}, not {}", self.name, self.ty.noun(), echo(&value)));
        };
        if let Some(text) = coerced.as_str()
            && !self.allowed.is_empty()
            && !self.allowed.iter().any(|allowed| allowed == text)
        {
            return Err(format!(
                "{} parameter must be one of {}, not {}",
                self.name,
                choices(&self.allowed),
                Echo(text)
            ));
        }
        if let Some(number) = coerced.as_f64() {
            if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
                return Err(format!("{} parameter must be at least {minimum}, not {number}", self.name));
            }
            if let Some(maximum) = self.maximum.filter(|maximum| number > *maximum) {
                return Err(format!("{} parameter must be at most {maximum}, not {number}", self.name));
            }
        }
        Ok(coerced)
    }
}

impl Type {
    fn noun(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::TextList => "an array of strings",
        }
    }

    /// Coerces a value to this type if its meaning is unambiguous.
    fn coerce(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Text, Value::String(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_)) => Some(value.clone()),
            (Self::Text, Value::Number(number)) => Some(number.to_string().into()),
            (Self::Text, Value::Bool(truth)) => Some(truth.to_string().into()),
            // A list for a comma-separated string.
            (Self::Text, Value::Array(items)) => {
                let texts: Option<Vec<Value>> = items.iter().map(|item| Self::Text.coerce(item)).collect();
                let texts = texts?;
                let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
                Some(texts.join(",").into())
            }
            (Self::Integer, Value::Number(number)) => as_integer(number).map(Value::from),
            (Self::Integer, Value::String(text)) => as_integer(&text.trim().parse().ok()?).map(Value::from),
            (Self::Number, Value::String(text)) => Some(Value::Number(text.trim().parse().ok()?)),
            (Self::Boolean, Value::String(text)) => match text.trim().to_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true.into()),
                "false" | "no" | "0" => Some(false.into()),
                _ => None,
            },
            (Self::Boolean, Value::Number(number)) => match as_integer(number)? {
                0 => Some(false.into()),
                1 => Some(true.into()),
                _ => None,
            },
            (Self::TextList, Value::Array(items)) => {
                items.iter().map(|item| Self::Text.coerce(item)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            (Self::TextList, Value::String(text)) => match serde_json::from_str::<Value>(text) {
                Ok(list @ Value::Array(_)) => self.coerce(&list),
                _ => Some(text.split(',').map(|item| Value::from(item.trim())).collect()),
            },
            (Self::TextList, scalar) => Some(Value::Array(vec![Self::Text.coerce(scalar)?])),
            _ => None,
        }
    }
}

/// The number as an integer, if it is whole: clients send 5 as 5.0.
fn as_integer(number: &Number) -> Option<i64> {
    /// 2^53: floats above it do not represent every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within what a float holds exactly")]
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

/// True if a value stands for none: forms send empty texts for fields that were not filled in.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// True if the arguments are within [`MAX_ARGUMENTS`]. Coercion allocates a few times their size, so this check is
/// first.
fn within_limit(arguments: &Map<String, Value>) -> bool {
    fn count(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::String(text) => text.len(),
            _ => 0,
        };
        // Punctuation counts too: a list of a million nulls is a million bytes.
        let Some(rest) = left.checked_sub(own.saturating_add(2)) else { return false };
        *left = rest;
        match value {
            Value::Array(items) => items.iter().all(|item| count(item, left)),
            Value::Object(fields) => entries(fields, left),
            _ => true,
        }
    }
    fn entries(fields: &Map<String, Value>, left: &mut usize) -> bool {
        fields.iter().all(|(name, value)| {
            left.checked_sub(name.len()).is_some_and(|rest| {
                *left = rest;
                count(value, left)
            })
        })
    }
    entries(arguments, &mut MAX_ARGUMENTS.clone())
}

/// The values to choose from, as many as an error has room for.
fn choices(allowed: &[String]) -> String {
    let mut text = String::new();
    for (at, choice) in allowed.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        if text.len().saturating_add(choice.len()) > MAX_CHOICES {
            return format!("{text} and {} others", allowed.len().saturating_sub(at));
        }
        text.push_str(separator);
        text.push_str(choice);
    }
    text
}

/// Renders a value for an error message, on at most one line.
fn echo(value: &Value) -> String {
    if let Value::String(text) = value {
        return Echo(text).to_string();
    }
    let mut text = value.to_string();
    if text.len() > 80 {
        text.truncate(text.floor_char_boundary(80));
        text.push('…');
    }
    text
}
