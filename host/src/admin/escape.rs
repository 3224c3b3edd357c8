//! What comes from outside, made harmless: text in a page, and a token in a browser's header.

use axum::http::HeaderValue;
use base64::{Engine, prelude::BASE64_STANDARD};

/// Text that can stand anywhere in a page. Names of tools, errors and arguments come from files and clients.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The bearer header that an Authorization header amounts to: itself, or the password of a browser's Basic one.
pub(super) fn bearer(header: &HeaderValue) -> Option<HeaderValue> {
    let text = header.to_str().ok()?;
    let Some(basic) = text.strip_prefix("Basic ") else { return Some(header.clone()) };
    let decoded = String::from_utf8(BASE64_STANDARD.decode(basic.trim()).ok()?).ok()?;
    let (_, token) = decoded.split_once(':')?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_writes_becomes_markup() {
        assert_eq!(text("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }

    #[test]
    fn a_browsers_password_is_a_token() {
        let basic = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode("me:ey:J"))).unwrap();
        assert_eq!(bearer(&basic).unwrap().to_str().unwrap(), "Bearer ey:J");
        assert!(bearer(&HeaderValue::from_static("Basic ???")).is_none());
    }
}
