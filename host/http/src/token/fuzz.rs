//! Oracle of Authorization headers: the token is a part of its header, and the header is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{AUTHORIZATION, HeaderMap, HeaderValue, extract_token, extract_token_or_password};

/// A token is one that a request can carry, and its header does not stay.
pub fn authorization(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    for take in [extract_token, extract_token_or_password] {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.clone());
        let token = take(&mut headers);
        assert!(headers.is_empty());
        let Some(token) = token else { continue };
        assert!(HeaderValue::try_from(format!("Bearer {}", token.expose())).is_ok());
        assert!(!token.expose().is_empty() && token.expose().trim() == token.expose());
        let is_of_a_browser = data.starts_with(b"Basic ");
        let header = String::from_utf8_lossy(data);
        assert!(is_of_a_browser || header.trim_end().ends_with(token.expose()), "{header:?}");
    }
}
