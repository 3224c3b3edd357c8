//! Verification of an image: its digest, who has signed it, and its only layer. Each step ends the way if it fails.

use std::time::Duration;

use crate::{
    ContentDigest, Error, ImageReference, LockedTool, Registries, Source, Trust, TrustedKey, bundle,
    bundle::BUNDLE,
    manifest::{Descriptor, MAX_ENTRIES, Manifest},
    proof::{Proof, Signature},
    simple_signing::{self, SIGNATURE, SIMPLE_SIGNING},
    store::Store,
};

/// Max time to verify one tool.
const VERIFY: Duration = Duration::from_secs(120);
/// Max time to read one thing that is attached to a tool, so that a slow one leaves time for the others. Less than a request
/// has, whose end would count as a registry that does not answer.
const ATTACHED: Duration = Duration::from_secs(15);

/// Why a signature does not count whose bytes cannot be had.
const UNREADABLE: &str = "a signature cannot be read";

/// A verified image of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Digest of the manifest, which is what was signed.
    pub manifest: ContentDigest,
    /// Digest of the tool itself.
    pub layer: ContentDigest,
    /// Bytes of the tool.
    pub size: u64,
    /// Name of the key that has signed it; `None` if no signature was asked for.
    pub signed_by: Option<String>,
    /// SHA-256 of that key's SubjectPublicKeyInfo.
    pub key: Option<ContentDigest>,
    /// Annotations of the manifest. The signature covers them.
    pub annotations: std::collections::BTreeMap<String, String>,
    /// Manifest and signature, to be kept beside the tool.
    pub(crate) proof: Proof,
}

impl Verified {
    /// Its entry of the lock of sources.
    pub fn locked(&self) -> LockedTool {
        let Self { manifest, layer, key, .. } = *self;
        LockedTool { manifest, layer, signed_by: self.signed_by.clone(), key }
    }
}

/// Verifies a source without fetching its layer.
///
/// # Errors
///
/// The first step that fails.
pub async fn verify(source: &Source, trust: &Trust, registries: &Registries) -> Result<Verified, Error> {
    let store = Store::open(&source.image, registries)?;
    let verified = tokio::time::timeout(VERIFY, examine(&store, source, trust)).await;
    verified.unwrap_or_else(|_| {
        let cause = format!("the tool is not verified after {} s", VERIFY.as_secs());
        Err(Error::Unreachable { image: source.image.clone().into(), cause })
    })
}

/// Resolves the digest, looks for it on the list of revoked ones and for a signature over it, and reads its manifest.
pub(crate) async fn examine(store: &Store, source: &Source, trust: &Trust) -> Result<Verified, Error> {
    let image = &source.image;
    let digest = store.resolve(image).await?;
    refuse_revoked(image, digest, trust)?;
    let (signer, signature) = match source.signed_by.as_slice() {
        [] => (None, None),
        names => signer(store, image, digest, names, trust).await.map(|(key, by)| (Some(key), Some(by)))?,
    };
    // By the digest that was verified, never by the tag again: it may point elsewhere by now.
    let bytes = store.manifest(image, digest).await?;
    let not_a_tool = |cause| Error::NotATool { image: image.clone().into(), cause };
    let manifest = Manifest::parse(&bytes).map_err(not_a_tool)?;
    let layer = manifest.tool_layer().map_err(not_a_tool)?;
    refuse_revoked(image, layer.digest, trust)?;
    Ok(Verified {
        manifest: digest,
        layer: layer.digest,
        size: layer.size,
        signed_by: signer.map(|key| key.name().to_owned()),
        key: signer.map(TrustedKey::digest),
        annotations: manifest.annotations,
        proof: Proof::new(&bytes, signature),
    })
}

fn refuse_revoked(image: &ImageReference, digest: ContentDigest, trust: &Trust) -> Result<(), Error> {
    if trust.revoked.contains(&digest) {
        return Err(Error::Revoked { image: image.clone().into(), digest });
    }
    Ok(())
}

/// Bytes of what is attached to a tool; `None` if they cannot be read. Others may attach what is gone, too large or slow, and
/// the right signature can be the next one. A registry that does not answer is an error: it has no next one.
async fn attached(read: impl Future<Output = Result<Vec<u8>, Error>>) -> Result<Option<Vec<u8>>, Error> {
    match tokio::time::timeout(ATTACHED, read).await {
        Ok(Ok(bytes)) => Ok(Some(bytes)),
        Ok(Err(error @ Error::Unreachable { .. })) => Err(error),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// The first of the named keys that has signed the digest, and its signature.
async fn signer<'t>(
    store: &Store,
    image: &ImageReference,
    digest: ContentDigest,
    names: &[String],
    trust: &'t Trust,
) -> Result<(&'t TrustedKey, Signature), Error> {
    let keys = trust.keys_of(names);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut cause = None;
    for referrer in store.referrers(digest).await? {
        let Some(bytes) = attached(store.manifest(image, referrer)).await? else {
            cause = Some(UNREADABLE);
            continue;
        };
        let Ok(manifest) = Manifest::parse(&bytes) else { continue };
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == BUNDLE).take(MAX_ENTRIES) {
            let Some(bytes) = attached(store.small_blob(image, layer)).await? else {
                cause = Some(UNREADABLE);
                continue;
            };
            match bundle::signer(&bytes, digest, &keys) {
                Ok(key) => return Ok((key, Signature::Bundle(text(&bytes)))),
                Err(why) => cause = Some(why),
            }
        }
    }
    let older = format!("sha256-{}.sig", digest.hex());
    let older = store.tagged(&older).await?.and_then(|bytes| Manifest::parse(&bytes).ok());
    let layers = older.map(|manifest| manifest.layers).unwrap_or_default();
    let is_signature = |layer: &&Descriptor| layer.media_type == SIMPLE_SIGNING;
    for layer in layers.iter().filter(is_signature).take(MAX_ENTRIES) {
        let Some(signature) = layer.annotations.get(SIGNATURE) else { continue };
        let Some(bytes) = attached(store.small_blob(image, layer)).await? else {
            cause = Some(UNREADABLE);
            continue;
        };
        match simple_signing::signer(&bytes, signature, digest, &keys) {
            Ok(key) => {
                let signature = signature.clone();
                return Ok((key, Signature::Older { text: text(&bytes), signature }));
            }
            Err(why) => cause = Some(why),
        }
    }
    // An image that is gone has no signature either, and is another mistake.
    store.manifest(image, digest).await?;
    let cause = cause.unwrap_or("there is no signature");
    Err(Error::NotSigned {
        image: image.clone().into(),
        digest,
        names: names.to_vec(),
        cause: cause.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    //! Against what cosign 3.1.3 wrote: `tests/fixtures/signatures/README.md`.

    use super::*;
    use crate::SigningKey;

    macro_rules! golden {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/fixtures/signatures/", $name))
        };
    }

    fn keys() -> [TrustedKey; 2] {
        [
            TrustedKey::parse("p256", golden!("p256.pub")).unwrap(),
            TrustedKey::parse("ed25519", golden!("ed25519.pub")).unwrap(),
        ]
    }

    fn digest() -> ContentDigest {
        ContentDigest::of(golden!("manifest.json"))
    }

    #[test]
    fn a_bundle_of_cosign_verifies_by_its_key_alone() {
        let [p256, ed25519] = &keys();
        let (by_p256, by_ed25519) = (golden!("p256.bundle.json"), golden!("ed25519.bundle.json"));
        assert_eq!(bundle::signer(by_p256, digest(), &[ed25519, p256]), Ok(p256));
        assert_eq!(bundle::signer(by_p256, digest(), &[]), Err("its signature is by another key"));
        assert!(bundle::signer(by_p256, digest(), &[ed25519]).unwrap_err().contains("another key"));
        assert_eq!(bundle::signer(by_ed25519, digest(), &[p256]), Err("its signature is by another key"));
        // cosign signs with Ed25519ph; the sentence says so.
        assert!(bundle::signer(by_ed25519, digest(), &[ed25519]).unwrap_err().contains("P-256"));
        let other = ContentDigest::of(b"other");
        assert_eq!(bundle::signer(by_p256, other, &[p256]), Err("a signature is of another digest"));
    }

    #[test]
    fn no_byte_of_a_bundle_can_be_changed() {
        let [key, _] = &keys();
        let bundle = golden!("p256.bundle.json");
        let text = std::str::from_utf8(bundle).unwrap();
        let at = text.find("\"payload\":\"").unwrap() + "\"payload\":\"".len();
        for position in (at..at + 300).step_by(7) {
            let mut changed = bundle.to_vec();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert!(bundle::signer(&changed, digest(), &[key]).is_err(), "{position}");
        }
    }

    #[test]
    fn a_revoked_digest_is_refused() {
        let image = ImageReference::parse("registry.example/tools/pods_list:1.0.0").unwrap();
        let trust = Trust { revoked: [digest()].into(), ..Trust::default() };
        let refused = refuse_revoked(&image, digest(), &trust).unwrap_err();
        assert!(refused.to_string().contains("is revoked"), "{refused}");
        assert!(refuse_revoked(&image, ContentDigest::of(b"other"), &trust).is_ok());
    }

    #[test]
    fn an_older_signature_of_cosign_verifies() {
        let [p256, ed25519] = &keys();
        let (text, signature) =
            (golden!("p256.simple.json"), include_str!("../../../tests/fixtures/signatures/p256.simple.sig"));
        assert_eq!(simple_signing::signer(text, signature, digest(), &[ed25519, p256]), Ok(p256));
        assert!(simple_signing::signer(text, signature, digest(), &[ed25519]).is_err());
        assert!(
            simple_signing::signer(text, signature, ContentDigest::of(b"other"), &[p256])
                .unwrap_err()
                .contains("another digest")
        );
        let changed = String::from_utf8_lossy(text).replace("optional", "Optional");
        assert!(simple_signing::signer(changed.as_bytes(), signature, digest(), &[p256]).is_err());
    }

    #[test]
    fn what_is_signed_here_verifies_and_an_attestation_is_no_signature() {
        for pem in [golden!("p256.key").as_slice(), golden!("ed25519.key").as_slice()] {
            let signed = bundle::sign(digest(), &SigningKey::parse(pem).unwrap()).unwrap();
            let keys = keys();
            assert!(bundle::signer(&signed, digest(), &[&keys[0], &keys[1]]).is_ok());
        }
        let [p256, _] = &keys();
        let attestation = golden!("p256.attestation.json");
        assert!(bundle::signer(attestation, digest(), &[p256]).unwrap_err().contains("something else"));
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        assert!(TrustedKey::parse("x", golden!("p256.key")).is_err());
        assert!(TrustedKey::parse("x", b"").is_err());
        assert!(SigningKey::parse(golden!("p256.pub")).is_err());
    }
}
