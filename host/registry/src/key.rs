//! Keys: public ones that the operator trusts, and the private one that a release is signed with.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, UnparsedPublicKey,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _};

use crate::ContentDigest;

/// Bytes before the point in the SubjectPublicKeyInfo of a P-256 key: its lengths, id-ecPublicKey and prime256v1. DER has
/// one spelling, so the key is what follows, and no parser of ASN.1 stands between the file and the curve.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of an uncompressed point of P-256.
const P256_POINT: usize = 65;
/// Bytes before the key in the SubjectPublicKeyInfo of an Ed25519 key.
const ED25519_PREFIX: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of an Ed25519 key.
const ED25519_KEY: usize = 32;

/// Reasons for which a file is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM, or of another kind.
    #[error("it is not a public key in PEM (-----BEGIN PUBLIC KEY-----)")]
    NoPublicKey,
    /// Another algorithm.
    #[error("its algorithm is neither ECDSA on P-256 nor Ed25519")]
    OtherAlgorithm,
    /// Not a private key.
    #[error(
        "it is not an unencrypted private key in PKCS#8 (-----BEGIN PRIVATE KEY-----) of ECDSA on P-256 or Ed25519; make one with: openssl genpkey -algorithm ed25519"
    )]
    NoPrivateKey,
}

/// A public key of the configuration, with the name that sources use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    name: String,
    algorithm: Algorithm,
    key: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    Ed25519,
}

impl TrustedKey {
    /// Reads a key out of the text of a PEM file.
    ///
    /// # Errors
    ///
    /// If it holds no public key, or one of another algorithm.
    pub fn parse(name: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NoPublicKey)?;
        let (algorithm, key) = if let Some(key) = der.strip_prefix(P256) {
            (Algorithm::P256, key)
        } else if let Some(key) = der.strip_prefix(ED25519_PREFIX) {
            (Algorithm::Ed25519, key)
        } else {
            return Err(KeyError::OtherAlgorithm);
        };
        let length = match algorithm {
            Algorithm::P256 => P256_POINT,
            Algorithm::Ed25519 => ED25519_KEY,
        };
        if key.len() != length {
            return Err(KeyError::OtherAlgorithm);
        }
        Ok(Self { name: name.to_owned(), algorithm, key: key.to_owned() })
    }

    /// Name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its SubjectPublicKeyInfo, by which a lock knows it whatever its name.
    pub(crate) fn digest(&self) -> ContentDigest {
        digest_of_info(self.algorithm, &self.key)
    }

    /// True for a key of Ed25519.
    pub(crate) fn is_ed25519(&self) -> bool {
        self.algorithm == Algorithm::Ed25519
    }

    /// True if this key has signed the message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::P256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.key).verify(message, signature)
            }
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature),
        }
        .is_ok()
    }
}

/// A private key that signs a release.
pub struct SigningKey(Pair);

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads a key out of the text of a PEM file.
    ///
    /// # Errors
    ///
    /// If it holds no unencrypted PKCS#8 key of a known algorithm.
    pub fn parse(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoPrivateKey)?;
        let der = der.secret_pkcs8_der();
        // openssl writes no public key into an Ed25519 file; ring derives it then.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self(Pair::Ed25519(pair)));
        }
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new())
            .map(|pair| Self(Pair::P256(Box::new(pair))))
            .map_err(|_| KeyError::NoPrivateKey)
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_owned()),
            Pair::P256(pair) => {
                let signature =
                    pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::NoPrivateKey)?;
                Ok(signature.as_ref().to_owned())
            }
        }
    }

    /// Hint at the public key, as cosign writes it: its digest in Base64. Nobody who verifies trusts it.
    pub(crate) fn hint(&self) -> String {
        let digest = match &self.0 {
            Pair::P256(pair) => digest_of_info(Algorithm::P256, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => digest_of_info(Algorithm::Ed25519, pair.public_key().as_ref()),
        };
        STANDARD.encode(digest.sha256().bytes())
    }
}

/// SHA-256 of the SubjectPublicKeyInfo of a key.
fn digest_of_info(algorithm: Algorithm, key: &[u8]) -> ContentDigest {
    let prefix = match algorithm {
        Algorithm::P256 => P256,
        Algorithm::Ed25519 => ED25519_PREFIX,
    };
    ContentDigest::of(&[prefix, key].concat())
}
