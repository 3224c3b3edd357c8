//! Bearer tokens, parsed once where they enter the host.

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

/// Max bytes of a token. Kubernetes' own have around 1 kB, those of identity providers a few.
const MAX_TOKEN: usize = 16 << 10;

/// A caller's bearer token. Neither `Debug` nor an error shows it, and the memory of this value is wiped when its last
/// clone is dropped; copies in the buffers of HTTP and TLS are not.
#[derive(Clone)]
pub struct Token(Arc<SecretString>);

/// The text is empty, exceeds 16 KiB, or holds spaces or characters that an HTTP header cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a token: it is empty, longer than 16 KiB, or holds spaces or characters that no header can carry"
)]
pub struct InvalidToken;

impl Token {
    /// Parses the text of a token, without the word `Bearer`.
    ///
    /// # Errors
    ///
    /// If an HTTP header could not carry it.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let fits =
            !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(|b| matches!(b, b'!'..=b'~'));
        fits.then(|| Self(Arc::new(SecretString::from(text)))).ok_or(InvalidToken)
    }

    /// The secret itself: to send, to hash, or to find and redact in logs.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Cluster credential of a read.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The caller's own token.
    Token(Token),
    /// The account of the connection itself (identity `host`).
    Connection,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_header_can_carry() {
        assert_eq!(Token::parse("ey.J-_~+/=").unwrap().expose(), "ey.J-_~+/=");
        for refused in ["", "a\nb", "a b", " a", "é", "a\u{7f}", &"x".repeat(MAX_TOKEN + 1)] {
            assert!(Token::parse(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let credential = Credential::Token(Token::parse("secret-token").unwrap());
        assert!(!format!("{credential:?}").contains("secret"));
    }
}
