//! Copies the JSON of one object with projection and redaction.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::FieldSelection;

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

/// Appends the selected part of the object `json` to `out`. On an error `out` is unchanged.
pub(crate) fn copy(
    json: &[u8],
    selection: FieldSelection<'_>,
    redaction: Redaction,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let before = out.len();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let copied = CopySeed { selection, location: Location::Root(redaction), out }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    // A truncated or malformed object must not leave half of itself in the answer.
    if copied.is_err() {
        out.truncate(before);
    }
    copied
}

struct CopySeed<'p, 'o> {
    selection: FieldSelection<'p>,
    location: Location,
    out: &'o mut Vec<u8>,
}

impl CopySeed<'_, '_> {
    fn scalar<T: serde::Serialize + ?Sized, E: Error>(self, value: &T) -> Result<(), E> {
        if self.location.is_redacted() {
            return serde_json::to_writer(self.out, REDACTED).map_err(E::custom);
        }
        serde_json::to_writer(self.out, value).map_err(E::custom)
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
                first,
                out: self.out,
            })?
        {
            match below {
                Some((selection, location)) => {
                    first = false;
                    map.next_value_seed(CopySeed { selection, location, out: self.out })?;
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
            let element = CopySeed { selection: self.selection, location: self.location, out: self.out };
            if seq.next_element_seed(element)?.is_none() {
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
        self.scalar(value)
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
    first: bool,
    out: &'o mut Vec<u8>,
}

impl<'de, 'p> DeserializeSeed<'de> for KeySeed<'p, '_> {
    type Value = Option<(FieldSelection<'p>, Location)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for KeySeed<'p, '_> {
    type Value = Option<(FieldSelection<'p>, Location)>;

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
        Ok(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Projection;

    fn copied(json: &str, paths: &[&str], redaction: Redaction) -> String {
        let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
        let projection = (!paths.is_empty()).then(|| Projection::parse(&paths).unwrap());
        let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
        let mut out = Vec::new();
        copy(json.as_bytes(), selection, redaction, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const SECRET: &str = r#"{"kind":"Secret","metadata":{"name":"db","managedFields":[{"a":1}],"annotations":{
        "kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"password\":\"aHVudGVyMg==\"}}","team":"a"}},
        "data":{"pass\u0077ord":"aHVudGVyMg==","odd":{"deep":["aHVudGVyMg==",7,true,null]}},"stringData":{"x":"hunter2"},"type":"Opaque"}"#;

    #[test]
    fn no_value_of_a_secret_is_copied_whichever_way_it_is_asked_for() {
        for paths in [
            &[][..],
            &["data"],
            &["data.password"],
            &["data.odd.deep"],
            &["stringData"],
            &["metadata.annotations"],
            &["metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']"],
            &["metadata", "data", "stringData"],
        ] {
            let text = copied(SECRET, paths, Redaction::SecretValues);
            assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter2"), "{paths:?}: {text}");
        }
        let whole = copied(SECRET, &[], Redaction::SecretValues);
        assert_eq!(
            whole,
            r#"{"kind":"Secret","metadata":{"name":"db","annotations":{"team":"<redacted>"}},"data":{"password":"<redacted>","odd":{"deep":["<redacted>","<redacted>","<redacted>",null]}},"stringData":{"x":"<redacted>"},"type":"Opaque"}"#
        );
    }

    #[test]
    fn copies_of_the_values_in_annotations_are_blanked_in_every_view() {
        let secret = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","labels":{"app":"db"},"annotations":{
            "kapp.k14s.io/original":"{\"stringData\":{\"password\":\"hunter2\"}}","objectset.rio.cattle.io/applied":"H4sIhunter2",
            "openshift.io/token-secret.value":"hunter2","odd":["hunter2",{"deep":"hunter2"}]}},"type":"Opaque","immutable":true,
            "items":[{"data":{"password":"hunter2"}}],"extra":"hunter2"}"#;
        for paths in [
            &[][..],
            &["metadata"],
            &["metadata.annotations"],
            &["metadata.annotations['kapp.k14s.io/original']", "metadata.annotations.odd.deep"],
            &["items", "items[].data.password", "extra"],
        ] {
            let text = copied(secret, paths, Redaction::SecretValues);
            assert!(!text.contains("hunter2"), "{paths:?}: {text}");
        }
        let whole = copied(secret, &[], Redaction::SecretValues);
        for kept in
            ["\"openshift.io/token-secret.value\":\"<redacted>\"", "{\"app\":\"db\"}", "Opaque", "true"]
        {
            assert!(whole.contains(kept), "{kept} in {whole}");
        }
        let plain = r#"{"metadata":{"annotations":"hunter2"}}"#;
        assert!(!copied(plain, &[], Redaction::SecretValues).contains("hunter2"));
    }

    #[test]
    fn bookkeeping_is_left_out_of_every_kind_and_values_stay() {
        let text = copied(SECRET, &[], Redaction::Bookkeeping);
        assert!(
            text.contains("aHVudGVyMg==")
                && !text.contains("managedFields")
                && !text.contains("last-applied")
        );
    }

    #[test]
    fn only_wanted_fields_are_copied_through_arrays() {
        let pod = r#"{"metadata":{"name":"a\"b","uid":"u"},"spec":{"containers":[{"name":"x","image":"i"},{"name":"y"}],"n":1.5},"status":null}"#;
        assert_eq!(
            copied(pod, &["metadata.name", "spec.containers[].image", "status"], Redaction::Bookkeeping),
            r#"{"metadata":{"name":"a\"b"},"spec":{"containers":[{"image":"i"},{}]},"status":null}"#
        );
        assert_eq!(copied(pod, &[], Redaction::Bookkeeping), pod);
        assert_eq!(copied("[]", &["a"], Redaction::Bookkeeping), "[]");
    }

    #[test]
    fn a_broken_or_bottomless_document_leaves_nothing_behind() {
        let mut out = b"kept".to_vec();
        let deep = "[".repeat(500);
        for json in ["{\"a\":", "{} {}", deep.as_str()] {
            assert!(copy(json.as_bytes(), FieldSelection::All, Redaction::Bookkeeping, &mut out).is_err());
            assert_eq!(out, b"kept");
        }
    }
}
