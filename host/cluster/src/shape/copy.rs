//! Copies the JSON of one object with projection and redaction.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, cell::Cell};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    FieldSelection,
    masks::{MaskPosition, ValueMasks},
};
use crate::mask::{count, mask_text};

/// Replacement for a redacted value. It hides the length too, which is a hint at the secret.
const REDACTED: &str = "<redacted>";
/// Annotation of `kubectl apply`: a second copy of the whole object, for a Secret including its values.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Redaction of an object, applied whatever fields are requested. Bookkeeping (`managedFields`, the last-applied
/// annotation) is removed from every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// managedFields, and the last-applied configuration.
    Bookkeeping,
    /// Also every value of a Secret: under `data` and `stringData`, in annotations (kapp, Rancher and OpenShift keep
    /// copies of the values there), and in any field that Secrets do not have. The keys remain.
    SecretValues,
    /// Also secrets within the texts under `message` and `note`, at any depth: those of events, and in a Pod what a
    /// container wrote before it ended (`terminationMessagePolicy: FallbackToLogsOnError` puts its log there).
    Messages,
}

/// Position in the object, as far as redaction depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Location {
    Root(Redaction),
    Metadata(Redaction),
    Annotations(Redaction),
    /// Below a redacted field of a Secret: no scalar is copied from here on.
    Redacted,
    Elsewhere,
    /// Below the root of an object whose messages are masked.
    WithMessages,
    /// A message: secrets within its texts are masked.
    Message,
}

impl Location {
    /// The position below `key`; `None` if the key is removed.
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Root(redaction), "metadata") => Some(Self::Metadata(redaction)),
            // An allow list: these fields hold no values. With a deny list, the `items` of an object that merely calls
            // itself a Secret could smuggle Secrets out.
            (Self::Root(Redaction::SecretValues), "apiVersion" | "kind" | "type" | "immutable") => {
                Some(Self::Elsewhere)
            }
            (Self::Root(Redaction::SecretValues), _) => Some(Self::Redacted),
            (Self::Metadata(_), "managedFields") | (Self::Annotations(_), LAST_APPLIED) => None,
            (Self::Metadata(redaction), "annotations") => Some(Self::Annotations(redaction)),
            (Self::Root(Redaction::Messages) | Self::WithMessages, "message" | "note")
            | (Self::Message, _) => Some(Self::Message),
            (Self::Root(Redaction::Messages) | Self::WithMessages, _) => Some(Self::WithMessages),
            (Self::Annotations(Redaction::SecretValues) | Self::Redacted, _) => Some(Self::Redacted),
            _ => Some(Self::Elsewhere),
        }
    }

    /// True if a scalar at this position, such as an array element, is redacted.
    fn is_redacted(self) -> bool {
        matches!(
            self,
            Self::Redacted | Self::Root(Redaction::SecretValues) | Self::Annotations(Redaction::SecretValues)
        )
    }
}

/// Appends the selected part of the object `json` to `out`, and returns how many values the operator's masks replaced. On
/// an error `out` is unchanged.
pub(crate) fn copy(
    json: &[u8],
    selection: FieldSelection<'_>,
    redaction: Redaction,
    masks: &ValueMasks,
    out: &mut Vec<u8>,
) -> Result<u64, serde_json::Error> {
    let before = out.len();
    let tally = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let copied = CopySeed { selection, location: Location::Root(redaction), masks: masks.root(&tally), out }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    // A truncated or malformed object must not leave half of itself in the answer.
    if copied.is_err() {
        out.truncate(before);
    }
    copied.map(|()| tally.get())
}

/// Appends a value of JSON with the secrets in its texts masked.
pub(crate) fn copy_message(json: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let (masks, tally) = (ValueMasks::default(), Cell::new(0));
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let masks = masks.root(&tally);
    CopySeed { selection: FieldSelection::All, location: Location::Message, masks, out }
        .deserialize(&mut deserializer)
}

struct CopySeed<'p, 'o> {
    selection: FieldSelection<'p>,
    location: Location,
    masks: MaskPosition<'p>,
    out: &'o mut Vec<u8>,
}

impl CopySeed<'_, '_> {
    fn scalar<T: serde::Serialize + ?Sized, E: Error>(self, value: &T) -> Result<(), E> {
        if self.location.is_redacted() {
            return serde_json::to_writer(self.out, REDACTED).map_err(E::custom);
        }
        if let Some(mask) = self.masks.mask() {
            return serde_json::to_writer(self.out, mask).map_err(E::custom);
        }
        serde_json::to_writer(self.out, value).map_err(E::custom)
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        if self.location.is_redacted() {
            return self.scalar(text);
        }
        if let Some(mask) = self.masks.mask_of(text) {
            return serde_json::to_writer(self.out, mask).map_err(E::custom);
        }
        let by_form = self.masks.is_by_form();
        if !by_form && self.location != Location::Message {
            return serde_json::to_writer(self.out, text).map_err(E::custom);
        }
        let masked = mask_text(text);
        if by_form && let Cow::Owned(masked) = &masked {
            self.masks.count(count(masked.as_bytes()));
        }
        serde_json::to_writer(self.out, &*masked).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for CopySeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CopySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.out.push(b'{');
        let mut first = true;
        while let Some(below) =
            // The key decides about its value, so it is read before the value is parsed or skipped.
            map.next_key_seed(KeySeed {
                selection: self.selection,
                location: self.location,
                masks: self.masks,
                first,
                out: self.out,
            })?
        {
            match below {
                Some((selection, location, masks)) => {
                    first = false;
                    map.next_value_seed(CopySeed { selection, location, masks, out: self.out })?;
                }
                None => {
                    // Skipped without allocating.
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.out.push(b'[');
        let start = self.out.len();
        loop {
            // The comma is written before the element is known to exist, because the element writes itself to `out`; at
            // the end of the array it is taken back.
            let end = self.out.len();
            if end > start {
                self.out.push(b',');
            }
            let (selection, location, masks) = (self.selection, self.location, self.masks);
            let next = if masks.is_environment() {
                // Its name decides about a variable, and need not come before the value.
                seq.next_element::<&RawValue>()?
                    .map(|variable| {
                        let masks = masks.variable(variable.get());
                        let mut deserializer = serde_json::Deserializer::from_str(variable.get());
                        CopySeed { selection, location, masks, out: self.out }.deserialize(&mut deserializer)
                    })
                    .transpose()
                    .map_err(S::Error::custom)?
            } else {
                seq.next_element_seed(CopySeed { selection, location, masks, out: self.out })?
            };
            if next.is_none() {
                self.out.truncate(end);
                break;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&value)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&value)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(&value)
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.text(value)
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }
}

/// Writes a selected key and returns the selection below it.
struct KeySeed<'p, 'o> {
    selection: FieldSelection<'p>,
    location: Location,
    masks: MaskPosition<'p>,
    first: bool,
    out: &'o mut Vec<u8>,
}

impl<'de, 'p> DeserializeSeed<'de> for KeySeed<'p, '_> {
    type Value = Option<(FieldSelection<'p>, Location, MaskPosition<'p>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for KeySeed<'p, '_> {
    type Value = Option<(FieldSelection<'p>, Location, MaskPosition<'p>)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        // Both must allow the key. It is written here, because the value writes itself behind it.
        let below = self.selection.below(key).zip(self.location.below(key));
        if below.is_some() {
            if !self.first {
                self.out.push(b',');
            }
            serde_json::to_writer(&mut *self.out, key).map_err(E::custom)?;
            self.out.push(b':');
        }
        Ok(below.map(|(selection, location)| (selection, location, self.masks.below(key))))
    }
}
