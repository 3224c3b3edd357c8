//! Names of fields in a `fieldsV1` of managedFields, two levels of them.
//!
//! A set is a trie: `{"f:spec":{"f:replicas":{},"f:template":{…}}}`. Its keys begin with `f:` for a field; those that
//! begin with `k:`, `v:` or `i:` are elements of lists, whose keys and values they quote, and `.` is the parent itself.

use std::{borrow::Cow, fmt};

use porthole_contract::truncate;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Max names kept of one set. A ConfigMap may have thousands of keys.
pub(super) const MAX_NAMES: usize = 32;
/// Max bytes of a name: those of `data.` and a key of 253.
pub(super) const MAX_NAME: usize = 260;

/// Names of fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// The first names, as `spec.template`.
    pub(super) names: Vec<String>,
    /// Names beyond these.
    pub(super) more: u32,
}

impl FieldSet {
    fn add(&mut self, parent: Option<&str>, name: &str) {
        if self.names.len() >= MAX_NAMES {
            self.more = self.more.saturating_add(1);
            return;
        }
        let full = match parent {
            Some(parent) => {
                Cow::Owned(format!("{}.{}", truncate(parent, MAX_NAME), truncate(name, MAX_NAME)))
            }
            None => Cow::Borrowed(name),
        };
        self.names.push(truncate(&full, MAX_NAME).to_owned());
    }
}

impl<'de> Deserialize<'de> for FieldSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::default();
        Level { parent: None, set: &mut set }.deserialize(deserializer)?;
        Ok(set)
    }
}

/// One level of the trie. Its value is true if it names a field.
struct Level<'s> {
    parent: Option<&'s str>,
    set: &'s mut FieldSet,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<bool, M::Error> {
        let mut has_names = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let Some(name) = key.strip_prefix("f:") else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            has_names = true;
            if self.parent.is_some() {
                // Deeper levels are skipped without allocating.
                map.next_value::<IgnoredAny>()?;
                self.set.add(self.parent, name);
            } else if !map.next_value_seed(Level { parent: Some(name), set: &mut *self.set })? {
                self.set.add(None, name);
            }
        }
        Ok(has_names)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<bool, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    // Anything else than an object names nothing.
    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}
