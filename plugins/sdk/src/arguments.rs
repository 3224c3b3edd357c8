//! Arguments: a struct whose doc comments and types become the schema, in the subset that every client keeps.

use serde_json::{Map, Value, json};

/// A type that an argument can have.
pub trait Argument {
    /// Its name in JSON Schema.
    const TYPE: &'static str;
    /// Whether a caller must give it; `Option`s and lists may be left out.
    const REQUIRED: bool = true;
}

impl Argument for String {
    const TYPE: &'static str = "string";
}
impl Argument for bool {
    const TYPE: &'static str = "boolean";
}
impl Argument for u32 {
    const TYPE: &'static str = "integer";
}
impl Argument for f64 {
    const TYPE: &'static str = "number";
}
impl Argument for Vec<String> {
    const TYPE: &'static str = "array";
    const REQUIRED: bool = false;
}
impl<T: Argument> Argument for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const REQUIRED: bool = false;
}

/// A schema that is being put together.
#[derive(Default)]
pub struct Schema {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Schema {
    /// Adds an argument. A default is told in the description too: Dify shows models nothing else of a schema.
    pub fn argument<T: Argument>(&mut self, field: &str, doc: &str, default: Option<Value>) {
        let name = camel_case(field);
        let mut description = doc.trim().to_owned();
        let mut property = Map::new();
        property.insert("type".into(), T::TYPE.into());
        if T::TYPE == "array" {
            property.insert("items".into(), json!({ "type": "string" }));
        }
        if T::TYPE == "integer" {
            property.insert("minimum".into(), 0.into());
        }
        if let Some(default) = default {
            description.push_str(&format!(
                "{}Default: {default}",
                if description.ends_with(['.', '?']) { " " } else { ". " }
            ));
            property.insert("default".into(), default);
        } else if T::REQUIRED {
            self.required.push(name.clone());
        }
        property.insert("description".into(), description.into());
        self.properties.insert(name, property.into());
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

/// `label_selector` as agents know it: `labelSelector`.
fn camel_case(field: &str) -> String {
    let mut parts = field.strip_prefix("r#").unwrap_or(field).split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Declares `struct Arguments`. A field is named in snake_case and called in camelCase; its doc comment is its
/// description; `= value` is its default. The host checks and coerces values before a tool sees them.
#[macro_export]
macro_rules! arguments {
    ($($(#[doc = $doc:literal])* $field:ident : $ty:ty $(= $default:expr)?),* $(,)?) => {
        /// The arguments of this tool.
        #[derive(Default, $crate::serde::Deserialize)]
        #[serde(crate = "porthole_sdk::serde", default, rename_all = "camelCase")]
        struct Arguments {
            $($(#[doc = $doc])* $field: $ty,)*
        }

        impl Arguments {
            fn schema() -> String {
                #[allow(unused_mut, reason = "a tool may take no arguments")]
                let mut schema = $crate::Schema::default();
                $(
                    #[allow(unused_mut, unused_assignments, reason = "only arguments with a default have one")]
                    let mut default = None;
                    $(default = Some($default.into());)?
                    schema.argument::<$ty>(stringify!($field), concat!($($doc),*), default);
                )*
                schema.into_json()
            }
        }
    };
}

/// [`arguments!`] with those that every list tool takes.
#[macro_export]
macro_rules! list_arguments {
    ($($fields:tt)*) => {
        $crate::arguments! {
            $($fields)*
            /// e.g. app=web,tier!=test
            label_selector: Option<String>,
            /// e.g. metadata.name=web
            field_selector: Option<String>,
            /// Show these fields instead: spec.containers[].image,metadata.labels
            fields: Option<String>,
            /// Rows at most
            limit: Option<u32>,
            /// Token from an earlier answer
            r#continue: Option<String>,
            /// Column or path; -path: descending
            sort_by: Option<String>,
            /// table, names, count (by status or fields), yaml, json
            output: Option<String>,
            /// Answer size at most
            max_bytes: Option<u32>,
        }

        impl $crate::ListArguments for Arguments {
            fn asked(&self) -> $crate::Asked {
                $crate::Asked {
                    label_selector: self.label_selector.clone(),
                    field_selector: self.field_selector.clone(),
                    fields: self.fields.clone(),
                    limit: self.limit,
                    continue_token: self.r#continue.clone(),
                    sort_by: self.sort_by.clone(),
                    output: self.output.clone(),
                    max_bytes: self.max_bytes,
                }
            }
        }
    };
}
