//! cosign's older signatures: a layer of the tag `sha256-….sig` is the signed text, its annotation the signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{ContentDigest, TrustedKey};

/// Media type of the signed text.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation of the layer that holds the signature.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Type that a signed text gives itself.
const KIND: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The key that has signed the digest with this text, or why none has.
pub(crate) fn signer<'k>(
    payload: &[u8],
    signature: &str,
    digest: ContentDigest,
    keys: &[&'k TrustedKey],
) -> Result<&'k TrustedKey, &'static str> {
    let signature = STANDARD.decode(signature).map_err(|_| "an older signature is not Base64")?;
    let key = keys
        .iter()
        .find(|key| key.has_signed(payload, &signature))
        .ok_or("its signature is by another key")?;
    let payload: Payload =
        serde_json::from_slice(payload).map_err(|_| "an older signature has a text of another form")?;
    if payload.critical.kind != KIND {
        return Err("an older signature is of something else than an image");
    }
    if ContentDigest::parse(&payload.critical.image.docker_manifest_digest) != Some(digest) {
        return Err("a signature is of another digest");
    }
    Ok(key)
}
