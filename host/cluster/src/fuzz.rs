//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

pub use crate::{
    changes::fuzz::managed_fields,
    kinds::fuzz::kinds,
    logs::fuzz::{log_lines, log_search},
    releases::fuzz::helm_release,
    shape::{
        fuzz::{field_path, json_splitter, projection, redaction},
        masks::fuzz::value_masks,
    },
    source::fuzz::kubeconfig,
    table::fuzz::table,
};

/// JSON as serde_json reads it, with doubled keys kept.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Scalar(Value),
}

/// Compares floats by their value: serde_json may lose their last bit at each reading.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(other)) => one == other,
            (Self::Array(one), Self::Array(other)) => one == other,
            (Self::Scalar(Value::Number(one)), Self::Scalar(Value::Number(other))) => {
                let float = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
                one == other || (float(one) - float(other)).abs() <= float(one).abs() * 1e-14
            }
            (Self::Scalar(one), Self::Scalar(other)) => one == other,
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Tree, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Tree, S::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::Array(items))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// The members of a JSON object, each value as it is written; doubled keys are kept.
#[derive(Debug)]
pub(crate) struct Members(pub(crate) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The objects and arrays in the arrays under `key`, as they are written.
pub(crate) fn containers(members: &Members, key: &str) -> Vec<String> {
    let arrays = members.0.iter().filter(|(name, value)| name == key && value.get().starts_with('['));
    arrays
        .flat_map(|(_, value)| serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap())
        .map(|element| element.get().to_owned())
        .filter(|element| element.starts_with(['{', '[']))
        .collect()
}

/// The first line of an input, and what follows it.
pub(crate) fn line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (line, rest) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 1..]));
    (String::from_utf8_lossy(line).into_owned(), rest)
}
