//! Values that the operator's masks replace in an object, collected while its JSON is parsed.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::masks::{MaskPosition, ValueMasks};
use crate::mask::mask_text;

/// Scalars of an object that are masked, as text.
#[derive(Debug, PartialEq)]
pub(crate) enum MaskedTexts {
    These(Vec<String>),
    /// More than the bounds.
    TooMany,
}

/// Collects the scalars that [`copy`](super::copy()) replaces, but for annotations that repeat the object: their values are
/// found where they come from.
pub(crate) fn masked_texts(
    json: &[u8],
    masks: &ValueMasks,
    max_texts: usize,
    max_bytes: usize,
) -> Result<MaskedTexts, serde_json::Error> {
    let tally = Cell::new(0);
    let found = RefCell::new(Found { texts: Vec::new(), is_full: false, max_texts, left: max_bytes });
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    TextSeed { masks: masks.root(&tally), found: &found }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    let Found { texts, is_full, .. } = found.into_inner();
    Ok(if is_full { MaskedTexts::TooMany } else { MaskedTexts::These(texts) })
}

struct Found {
    texts: Vec<String>,
    is_full: bool,
    max_texts: usize,
    /// Bytes of further texts that fit.
    left: usize,
}

impl Found {
    fn push(&mut self, text: &str) {
        match self.left.checked_sub(text.len()) {
            Some(left) if self.texts.len() < self.max_texts => {
                self.left = left;
                self.texts.push(text.to_owned());
            }
            _ => self.is_full = true,
        }
    }
}

#[derive(Clone, Copy)]
struct TextSeed<'m, 'f> {
    masks: MaskPosition<'m>,
    found: &'f RefCell<Found>,
}

impl TextSeed<'_, '_> {
    fn scalar<T: ToString>(self, value: &T) {
        if self.masks.is_value() {
            self.found.borrow_mut().push(&value.to_string());
        }
    }
}

impl<'de> DeserializeSeed<'de> for TextSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Key<'_>>()? {
            map.next_value_seed(Self { masks: self.masks.below(&key.0), ..self })?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        if !self.masks.is_environment() {
            while seq.next_element_seed(self)?.is_some() {}
            return Ok(());
        }
        // As in a copy, the name of a variable decides about its value.
        while let Some(variable) = seq.next_element::<&RawValue>()? {
            let masks = self.masks.variable(variable.get());
            let mut deserializer = serde_json::Deserializer::from_str(variable.get());
            Self { masks, ..self }.deserialize(&mut deserializer).map_err(S::Error::custom)?;
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if let Some(number) = serde_json::Number::from_f64(value) {
            self.scalar(&number);
        }
        Ok(())
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        // A text of which a part is masked by its form counts whole.
        let is_masked =
            self.masks.is_value() || (self.masks.is_by_form() && matches!(mask_text(text), Cow::Owned(_)));
        if is_masked {
            self.found.borrow_mut().push(text);
        }
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str, paths: &[&str], environment: bool) -> MaskedTexts {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let masks = ValueMasks::new(&paths, environment).unwrap();
        masked_texts(json.as_bytes(), &masks, 5, 64).unwrap()
    }

    #[test]
    fn what_is_masked_in_the_object_is_collected() {
        let json = r#"{"spec":{"p\u0061ss":["a\"b",7,-1,1.5,true,null],"env":[{"value":"hunter2","name":"DBPASS"},{"name":"HOME","value":"/root"},
            {"name":"URL","value":"db://app:hunter3@db"},"TOKEN=hunter4"]},"metadata":{"annotations":{"copy":"{\"kind\":\"Db\"}"}}}"#;
        let these =
            |texts: &[&str]| MaskedTexts::These(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(texts(json, &["spec.pass"], false), these(&["a\"b", "7", "-1", "1.5", "true"]));
        assert_eq!(texts(json, &[], true), these(&["hunter2", "db://app:hunter3@db", "TOKEN=hunter4"]));
        assert_eq!(texts(json, &["spec.none"], false), these(&[]));
        assert_eq!(texts(json, &["spec"], true), MaskedTexts::TooMany);
        assert_eq!(texts(&format!(r#"{{"a":"{}"}}"#, "x".repeat(65)), &["a"], false), MaskedTexts::TooMany);
        assert!(masked_texts(b"{\"a\":1}{", &ValueMasks::all(), 5, 64).is_err());
    }
}
