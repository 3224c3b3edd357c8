//! Arguments: a struct whose doc comments and types become the schema, in the subset that every client keeps.

mod names;

use porthole_field_path::{MAX_ECHO, cut, echo};
use serde_json::{Map, Number, Value, json};

use crate::{Error, read::short};

pub use names::Names;

/// The arguments of a tool; [`#[derive(Arguments)]`](derive@crate::Arguments) implements it.
///
/// Defaults and bounds hold without the host too, for example in a test:
///
/// ```
/// use porthole_sdk::{Given, prelude::*};
///
/// #[derive(Argument, Debug, PartialEq)]
/// enum Order {
///     Newest,
///     #[argument(alias = "first")]
///     Oldest,
/// }
///
/// #[derive(Arguments)]
/// struct Request {
///     /// Name of the pod
///     name: String,
///     /// Lines from the end
///     #[argument(default = 100, min = 1, max = 5000)]
///     tail: u32,
///     /// Lines to begin with
///     #[argument(default = Order::Newest)]
///     order: Order,
///     /// Only of these containers
///     containers: Vec<String>,
/// }
///
/// let request: Request = Given::parse(r#"{"name": "web", "order": "first"}"#)?.arguments()?;
/// assert_eq!((request.name.as_str(), request.tail, request.order), ("web", 100, Order::Oldest));
/// assert!(request.containers.is_empty());
///
/// let error = Given::parse(r#"{"name": "web", "tail": 0}"#)?.arguments::<Request>().err();
/// assert_eq!(error.map(String::from).as_deref(), Some("tail parameter must be at least 1, not 0"));
/// # Ok::<(), Error>(())
/// ```
///
/// Two arguments of one name do not compile, neither in one struct nor with one that is flattened:
///
/// ```compile_fail,E0080
/// use porthole_sdk::prelude::*;
///
/// #[derive(Arguments)]
/// struct Request {
///     /// Pods at most
///     limit: u32,
///     #[argument(flatten)]
///     list: ListArguments,
/// }
/// ```
pub trait Arguments: Sized {
    /// The names of the arguments; none of an implementation by hand.
    const NAMES: Names = Names { own: &[], flattened: &[] };

    /// Adds the arguments to a schema.
    fn declare(schema: &mut Schema);

    /// Reads the arguments of a call.
    fn read(given: &Given) -> Result<Self, Error>;

    /// The schema as JSON text.
    fn schema() -> String {
        let mut schema = Schema::default();
        Self::declare(&mut schema);
        schema.into_json()
    }
}

/// No arguments.
impl Arguments for () {
    fn declare(_: &mut Schema) {}

    fn read(_: &Given) -> Result<Self, Error> {
        Ok(())
    }
}

/// The type of an argument; [`#[derive(Argument)]`](derive@crate::Argument) implements it for an enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of an argument",
    note = "there are String, bool, u32, f64, Vec<String>, enums with #[derive(Argument)], and Option of those"
)]
pub trait Argument: Sized {
    /// Its name in JSON Schema.
    const TYPE: &'static str;
    /// The same for an error: `an integer`.
    const EXPECTED: &'static str;
    /// The strings to choose from; empty if any will do.
    const CHOICES: &'static [&'static str] = &[];

    /// The value of an argument that was left out; None if it is required.
    fn missing() -> Option<Self> {
        None
    }

    /// Reads a value; None if it is of another type.
    fn from_json(value: &Value) -> Option<Self>;

    /// The value as the schema tells a default.
    fn to_json(&self) -> Value;
}

impl Argument for String {
    const TYPE: &'static str = "string";
    const EXPECTED: &'static str = "a string";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

impl Argument for bool {
    const TYPE: &'static str = "boolean";
    const EXPECTED: &'static str = "a boolean";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Argument for u32 {
    const TYPE: &'static str = "integer";
    const EXPECTED: &'static str = "an integer from 0 to 4294967295";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|number| number.try_into().ok())
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Argument for f64 {
    const TYPE: &'static str = "number";
    const EXPECTED: &'static str = "a number";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_f64()
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Argument for Vec<String> {
    const TYPE: &'static str = "array";
    const EXPECTED: &'static str = "an array of strings";

    fn missing() -> Option<Self> {
        Some(Self::new())
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::from_json).collect()
    }

    fn to_json(&self) -> Value {
        self.as_slice().into()
    }
}

impl<T: Argument> Argument for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const EXPECTED: &'static str = T::EXPECTED;
    const CHOICES: &'static [&'static str] = T::CHOICES;

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn from_json(value: &Value) -> Option<Self> {
        T::from_json(value).map(Some)
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }
}

/// An argument as it is declared.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The name that callers use.
    pub name: &'static str,
    /// The description that models read.
    pub description: &'static str,
    /// The smallest number.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
}

/// A schema that is being put together.
#[derive(Default)]
pub struct Schema {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Schema {
    /// Adds an argument.
    pub fn add<T: Argument>(&mut self, spec: &Spec, default: Option<T>) {
        let default = default.map(|default| default.to_json());
        let required = default.is_none() && T::missing().is_none();
        self.property(spec, T::TYPE, T::CHOICES, default, required);
    }

    fn property(&mut self, spec: &Spec, ty: &str, choices: &[&str], default: Option<Value>, required: bool) {
        let mut description = spec.description.to_owned();
        let mut property = Map::new();
        property.insert("type".into(), ty.into());
        if ty == "array" {
            property.insert("items".into(), json!({ "type": "string" }));
        }
        if !choices.is_empty() {
            property.insert("enum".into(), choices.into());
        }
        // Arguments that are integers are u32.
        let min = spec.min.or((ty == "integer").then_some(0.0));
        for (key, bound) in [("minimum", min), ("maximum", spec.max)] {
            if let Some(bound) = bound.and_then(number) {
                property.insert(key.into(), bound.into());
            }
        }
        if let Some(default) = default {
            // In the description too: Dify shows models nothing else of a schema.
            let end = if description.ends_with(['.', '?']) { " " } else { ". " };
            description.push_str(&format!("{end}Default: {default}"));
            property.insert("default".into(), default);
        }
        if required {
            self.required.push(spec.name.to_owned());
        }
        property.insert("description".into(), description.into());
        self.properties.insert(spec.name.to_owned(), property.into());
    }

    /// The schema as JSON text.
    pub fn into_json(self) -> String {
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), self.properties.into());
        if !self.required.is_empty() {
            schema.insert("required".into(), self.required.into());
        }
        Value::Object(schema).to_string()
    }
}

/// A whole number without `.0`.
fn number(number: f64) -> Option<Number> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within what a float holds exactly")]
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// The arguments of one call, as they came.
pub struct Given(Map<String, Value>);

impl Given {
    /// Reads a JSON object.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let object = serde_json::from_str(json);
        object.map(Self).map_err(|error| {
            Error::Message(format!("the arguments are not a JSON object: {}", short(&error)))
        })
    }

    /// The arguments as a tool declares them.
    pub fn arguments<T: Arguments>(&self) -> Result<T, Error> {
        T::read(self)
    }

    /// An argument, or its default if the caller gave none.
    pub fn argument<T: Argument>(&self, spec: &Spec, default: Option<T>) -> Result<T, Error> {
        let Some(value) = self.value(spec)? else {
            let missing = default.or_else(T::missing);
            return missing.ok_or_else(|| spec.error(format!("required: {}", spec.description)));
        };
        T::from_json(value).ok_or_else(|| spec.type_error(T::EXPECTED, T::CHOICES, value))
    }

    /// The value within its bounds; None for what the host takes for left out, too.
    fn value(&self, spec: &Spec) -> Result<Option<&Value>, Error> {
        let blank =
            |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        let Some(value) = self.0.get(spec.name).filter(|value| !blank(value)) else { return Ok(None) };
        if let Some(given) = value.as_f64() {
            // Numbers are written as JSON: the formatting of floats in `core` would be a tenth of a small component.
            if let Some(min) = spec.min.filter(|min| given < *min).and_then(number) {
                return Err(spec.error(format!("must be at least {min}, not {value}")));
            }
            if let Some(max) = spec.max.filter(|max| given > *max).and_then(number) {
                return Err(spec.error(format!("must be at most {max}, not {value}")));
            }
        }
        Ok(Some(value))
    }
}

impl Spec {
    fn error(&self, problem: String) -> Error {
        Error::Argument { name: self.name.to_owned(), problem }
    }

    fn type_error(&self, expected: &str, choices: &[&str], value: &Value) -> Error {
        let shown = match value {
            Value::String(text) => echo(text),
            other => {
                let other = other.to_string();
                let kept = cut(&other, MAX_ECHO);
                if kept.len() == other.len() { other } else { format!("{kept}…") }
            }
        };
        let expected = match choices {
            [] => expected.to_owned(),
            choices => format!("one of {}", choices.join(", ")),
        };
        self.error(format!("must be {expected}, not {shown}"))
    }
}

#[cfg(test)]
mod tests;
