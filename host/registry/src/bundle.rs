//! Sigstore bundles v0.3: a DSSE envelope around an in-toto statement whose subject is the digest.
//!
//! Only keys of the configuration verify. A bundle may carry a key or a certificate of its own, and whoever made the bundle
//! chose it (GHSA-fx35-mq7g-6g98): nothing here reads them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{ContentDigest, KeyError, SigningKey, TrustedKey};

/// Media type of a bundle, and of the artifact that carries it.
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Type of the envelope's payload.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Type of a statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Statement of cosign's signature of an image. An attestation of the same key about the same digest, such as an SBOM or a
/// scan that found something, is another statement, and no release.
pub(crate) const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Max signatures of an envelope; each costs a verification for each key.
const MAX_SIGNATURES: usize = 8;
/// Max subjects of a statement.
const MAX_SUBJECTS: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// The key that has signed the digest with this bundle, or why none has.
pub(crate) fn signer<'k>(
    bundle: &[u8],
    digest: ContentDigest,
    keys: &[&'k TrustedKey],
) -> Result<&'k TrustedKey, &'static str> {
    let bundle: Bundle = serde_json::from_slice(bundle)
        .map_err(|_| "a signature is not a Sigstore bundle with a DSSE envelope")?;
    if bundle.media_type != BUNDLE || bundle.dsse_envelope.payload_type != IN_TOTO {
        return Err("a signature is of another version than Sigstore's bundle v0.3");
    }
    let envelope = bundle.dsse_envelope;
    if envelope.signatures.len() > MAX_SIGNATURES {
        return Err("a bundle has too many signatures");
    }
    let payload = STANDARD.decode(&envelope.payload).map_err(|_| "the payload of a bundle is not Base64")?;
    let signed = pre_authentication_encoding(&envelope.payload_type, &payload);
    let signatures: Vec<Vec<u8>> =
        envelope.signatures.iter().filter_map(|each| STANDARD.decode(&each.sig).ok()).collect();
    let key = keys.iter().find(|key| signatures.iter().any(|signature| key.has_signed(&signed, signature)));
    let key = key.ok_or_else(|| other_key(keys))?;
    // Parsed after it was verified: what an unknown key states is not looked at.
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|_| "a signed statement is not in-toto's")?;
    if statement.kind != STATEMENT || statement.predicate_type != PREDICATE {
        return Err("a key states something else of it, which is no signature of a release");
    }
    let subject = digest.hex();
    let names = |each: &Subject| each.digest.sha256.as_deref() == Some(subject.as_str());
    if statement.subject.len() > MAX_SUBJECTS || !statement.subject.iter().any(names) {
        return Err("a signature is of another digest");
    }
    Ok(key)
}

/// Reason for which no key fits. ring knows no Ed25519ph, by which cosign signs with a key that is Ed25519.
fn other_key(keys: &[&TrustedKey]) -> &'static str {
    if keys.iter().any(|key| key.is_ed25519()) {
        return "its signature is by another key, or by cosign with an Ed25519 key (Ed25519ph, which is not verified: give cosign a key on P-256)";
    }
    "its signature is by another key"
}

/// Signs a digest as `cosign sign --key` does.
pub(crate) fn sign(digest: ContentDigest, key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let statement = serde_json::json!({
        "_type": STATEMENT,
        "subject": [{"digest": {"sha256": digest.hex()}, "annotations": {}}],
        "predicateType": PREDICATE,
        "predicate": {},
    });
    let payload = statement.to_string().into_bytes();
    let sig = key.sign(&pre_authentication_encoding(IN_TOTO, &payload))?;
    let envelope = Envelope {
        payload: STANDARD.encode(&payload),
        payload_type: IN_TOTO.to_owned(),
        signatures: vec![Signature { sig: STANDARD.encode(sig) }],
    };
    let bundle = serde_json::json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.hint()}},
        "dsseEnvelope": envelope,
    });
    Ok(bundle.to_string().into_bytes())
}

/// DSSE's pre-authentication encoding: type and payload with their lengths, so that neither can pass for the other.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}
