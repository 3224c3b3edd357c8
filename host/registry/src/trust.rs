//! Trust of the operator: keys, revoked digests, and the sources of tools.

use std::collections::{BTreeMap, BTreeSet};

use porthole_contract::Echo;

use crate::{ContentDigest, ImageReference, TrustedKey};

/// Requirement on every source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Required {
    /// A signature by a key that the source names.
    Signature,
    /// A digest, or such a signature.
    #[default]
    Digest,
    /// Nothing: whoever can write to the registry decides what runs.
    None,
}

/// Keys, revocations, and what is required of sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Keys by name.
    pub keys: BTreeMap<String, TrustedKey>,
    /// Requirement on every source.
    pub required: Required,
    /// Digests of manifests and of layers that are never used.
    pub revoked: BTreeSet<ContentDigest>,
}

/// A tool to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its location.
    pub image: ImageReference,
    /// Names of keys; one of them must have signed the digest. Empty: no signature is asked for.
    pub signed_by: Vec<String>,
}

/// A source that is refused before anything is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the sentences name them")]
pub enum SourceError {
    /// The source names a key that the configuration does not have.
    #[error("{image}: signedBy names {}, which is not in trust.keys", Echo(.name))]
    UnknownKey { image: Box<ImageReference>, name: String },
    /// The source has neither digest nor signature.
    #[error(
        "{image} has no digest and no signedBy: whoever can write to the registry would decide what runs. Add one of them, or set trust.require: none"
    )]
    Unpinned { image: Box<ImageReference> },
    /// The source has no signature, and each must have one.
    #[error("{image} has no signedBy, and trust.require is signature")]
    Unsigned { image: Box<ImageReference> },
    /// A repository has neither tag nor digest.
    #[error("{image} has neither a tag nor a digest")]
    Unspecified { image: Box<ImageReference> },
    /// Two sources would be one file.
    #[error("{image} and {other} would both be {}", .image.file_name())]
    SameFile { image: Box<ImageReference>, other: Box<ImageReference> },
}

impl Trust {
    /// Checks that the sources have what is required of them.
    ///
    /// # Errors
    ///
    /// The first source that has not.
    pub fn check(&self, sources: &[Source]) -> Result<(), SourceError> {
        let mut files: BTreeMap<String, &ImageReference> = BTreeMap::new();
        for Source { image, signed_by } in sources {
            let image = Box::new(image.clone());
            if let Some(name) = signed_by.iter().find(|name| !self.keys.contains_key(*name)) {
                return Err(SourceError::UnknownKey { image, name: name.clone() });
            }
            match (self.required, signed_by.is_empty(), image.digest) {
                (Required::Signature, true, _) => return Err(SourceError::Unsigned { image }),
                (Required::Digest, true, None) => return Err(SourceError::Unpinned { image }),
                _ if image.digest.is_none() && image.tag.is_none() => {
                    return Err(SourceError::Unspecified { image });
                }
                _ => {}
            }
        }
        for Source { image, .. } in sources {
            if let Some(other) = files.insert(image.file_name(), image) {
                return Err(SourceError::SameFile {
                    image: image.clone().into(),
                    other: other.clone().into(),
                });
            }
        }
        Ok(())
    }

    /// Keys of a source.
    pub(crate) fn keys_of(&self, signed_by: &[String]) -> Vec<&TrustedKey> {
        signed_by.iter().filter_map(|name| self.keys.get(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = include_bytes!("../../../tests/fixtures/signatures/ed25519.pub");

    fn source(image: &str, signed_by: &[&str]) -> Source {
        let signed_by = signed_by.iter().map(|name| (*name).to_owned()).collect();
        Source { image: ImageReference::parse(image).unwrap(), signed_by }
    }

    fn refusal(required: Required, sources: &[Source]) -> String {
        let keys = BTreeMap::from([("platform".to_owned(), TrustedKey::parse("platform", KEY).unwrap())]);
        let trust = Trust { keys, required, revoked: BTreeSet::new() };
        trust.check(sources).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_source_is_pinned_or_signed() {
        let digest = ContentDigest::of(b"x");
        let pinned = source(&format!("r.example/a@{digest}"), &[]);
        let (tagged, signed) = (source("r.example/b:1", &[]), source("r.example/c:1", &["platform"]));
        assert_eq!(refusal(Required::Digest, &[pinned.clone(), signed.clone()]), "");
        assert!(
            refusal(Required::Digest, std::slice::from_ref(&tagged))
                .contains("r.example/b:1 has no digest and no signedBy")
        );
        assert_eq!(refusal(Required::None, std::slice::from_ref(&tagged)), "");
        assert!(refusal(Required::Signature, &[pinned]).contains("trust.require is signature"));
        assert_eq!(refusal(Required::Signature, std::slice::from_ref(&signed)), "");
        assert!(
            refusal(Required::Digest, &[source("r.example/c:1", &["other"])])
                .contains("\"other\", which is not")
        );
        assert!(
            refusal(Required::None, &[source("r.example/c", &[])]).contains("neither a tag nor a digest")
        );
        assert!(
            refusal(Required::None, &[tagged, source("s.example/x/b:2", &[])]).contains("both be b.wasm")
        );
    }
}
