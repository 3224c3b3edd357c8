//! Token extraction from Authorization headers.
//!
//! By hand, because `headers` refuses a bare token, keeps the blanks behind one, and brings sha1 for WebSocket.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use axum::http::{
    HeaderValue,
    header::{AUTHORIZATION, HeaderMap},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use porthole_contract::Token;

/// Min bytes of a bare token. A shorter word may be the name of a scheme without its token.
const MIN_BARE_TOKEN: usize = 16;

/// Removes the token from a request's headers, so that later handlers and logs do not see it. `None` if it is missing
/// or malformed.
pub fn extract_token(headers: &mut HeaderMap) -> Option<Token> {
    bearer(&headers.remove(AUTHORIZATION)?)
}

/// Like [`extract_token`], but also accepts a browser's Basic authentication with the token as password.
pub fn extract_token_or_password(headers: &mut HeaderMap) -> Option<Token> {
    let value = headers.remove(AUTHORIZATION)?;
    password(&value).or_else(|| bearer(&value))
}

/// The token in `Bearer <token>`, or a bare token, as often pasted.
fn bearer(value: &HeaderValue) -> Option<Token> {
    let value = value.to_str().ok()?.trim();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim(),
        _ if is_bare(value) => value,
        _ => return None,
    };
    Token::parse(token).ok()
}

/// True if the header is one word of token characters (`token68` of RFC 9110).
fn is_bare(value: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    value.len() >= MIN_BARE_TOKEN && value.bytes().all(letter)
}

/// The password of `Basic <base64 of name:password>` (RFC 7617).
fn password(value: &HeaderValue) -> Option<Token> {
    let basic = value.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(basic.trim()).ok()?).ok()?;
    let (_, token) = decoded.split_once(':')?;
    Token::parse(token.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(take: fn(&mut HeaderMap) -> Option<Token>, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        let token = take(&mut headers);
        assert!(headers.is_empty(), "{value:?} stays in the request");
        token.map(|token| token.expose().to_owned())
    }

    #[test]
    fn a_bearer_token_is_taken_out_of_its_header() {
        for accepted in ["Bearer abc", "bearer  abc ", " BEARER abc"] {
            assert_eq!(token(extract_token, accepted).as_deref(), Some("abc"), "{accepted:?}");
        }
        for refused in ["", "Bearer", "Bearer ", "Basic abc", "abc", "Basic YW55Ym9keTp0b2tlbg=="] {
            assert_eq!(token(extract_token, refused), None, "{refused:?}");
        }
        assert!(extract_token(&mut HeaderMap::new()).is_none());
        assert_eq!(token(extract_token, &format!("Bearer {}", "x".repeat(20_000))), None);
    }

    #[test]
    fn a_token_without_the_word_bearer_is_one_word() {
        let bare = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln-_~+/=";
        assert_eq!(token(extract_token, bare).as_deref(), Some(bare));
        for refused in [format!("{bare} {bare}"), format!("Token {bare}"), format!("{bare},{bare}")] {
            assert_eq!(token(extract_token, &refused), None, "{refused:?}");
        }
        assert_eq!(token(extract_token, &"x".repeat(20_000)), None);
    }

    #[test]
    fn a_browsers_password_is_a_token() {
        for pasted in ["me:ey:J", "me: ey:J\n"] {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(pasted));
            assert_eq!(token(extract_token_or_password, &basic).as_deref(), Some("ey:J"));
        }
        assert_eq!(token(extract_token_or_password, "Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token(extract_token_or_password, "Basic ???"), None);
    }
}
