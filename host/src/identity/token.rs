//! Bearer tokens: parsed out of an Authorization header, and known afterwards by their hash alone.

use http::HeaderValue;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::UnknownCaller;

/// A token of Kubernetes is around 1 kB, one of an identity provider a few; longer ones are not looked at.
const MAX_TOKEN: usize = 16 << 10;
/// Bytes from which a lone word is a token. Shorter ones may be the name of a scheme whose token was forgotten.
const MIN_BARE_TOKEN: usize = 16;

/// What identifies a token without being it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a token.
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Compares in constant time: the time of an answer must not lead to the shared token.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// The token in an Authorization header: `Bearer <token>`, or the token alone, which is how it is often pasted.
pub(super) fn bearer(authorization: Option<&HeaderValue>) -> Result<&[u8], UnknownCaller> {
    let value = authorization.ok_or(UnknownCaller::Missing)?.as_bytes().trim_ascii();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ if is_bare(value) => value,
        _ => return Err(UnknownCaller::Missing),
    };
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(UnknownCaller::Missing);
    }
    Ok(token)
}

/// Whether a header is one word of the letters of a token (`token68` of RFC 9110).
fn is_bare(value: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    value.len() >= MIN_BARE_TOKEN && value.iter().all(letter)
}

/// The header to read with. hyper and tracing print a sensitive value as `Sensitive`.
pub(super) fn sensitive(token: &[u8]) -> Result<HeaderValue, UnknownCaller> {
    let mut value =
        HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| UnknownCaller::Missing)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn a_bearer_token_is_taken_out_of_its_header() {
        for accepted in ["Bearer abc", "bearer  abc ", " BEARER abc"] {
            assert_eq!(bearer(Some(&header(accepted))).unwrap(), b"abc", "{accepted:?}");
        }
        for refused in ["", "Bearer", "Bearer ", "Basic abc", "abc", "Basic YW55Ym9keTp0b2tlbg=="] {
            assert!(bearer(Some(&header(refused))).is_err(), "{refused:?}");
        }
        assert!(bearer(None).is_err());
        assert!(bearer(Some(&header(&format!("Bearer {}", "x".repeat(20_000))))).is_err());
    }

    #[test]
    fn a_token_without_the_word_bearer_is_one_word() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln-_~+/=";
        assert_eq!(bearer(Some(&header(token))).unwrap(), token.as_bytes());
        for refused in [format!("{token} {token}"), format!("Token {token}"), format!("{token},{token}")] {
            assert!(bearer(Some(&header(&refused))).is_err(), "{refused:?}");
        }
        assert!(bearer(Some(&header(&"x".repeat(20_000)))).is_err());
    }
}
