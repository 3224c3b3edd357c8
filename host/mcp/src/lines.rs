//! Escaping of Unicode line separators in JSON: old clients split event streams at more than `\n`.
//!
//! Dify 1.6 to 1.8 splits events with Python's `splitlines`, which also splits at U+2028, U+2029 and U+0085. Any log or
//! annotation may contain them, and half a JSON text ends the connection. In JSON they occur within strings only, where
//! an escape is equivalent.

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt;

/// The separators in UTF-8, and their escapes. The other separators of `splitlines` are control characters, which JSON
/// always escapes.
const ESCAPES: [(&[u8], &[u8]); 3] =
    [(b"\xC2\x85", br"\u0085"), (b"\xE2\x80\xA8", br"\u2028"), (b"\xE2\x80\xA9", br"\u2029")];

/// Escapes the separators in JSON, or in events that contain JSON.
pub(super) fn escape(text: Bytes) -> Bytes {
    let mut escaped: Option<Vec<u8>> = None;
    let mut copied = 0;
    for at in memchr::memchr2_iter(0xC2, 0xE2, &text) {
        let from = text.get(at..).unwrap_or_default();
        let Some((separator, escape)) = ESCAPES.iter().find(|(separator, _)| from.starts_with(separator))
        else {
            continue;
        };
        let escaped = escaped.get_or_insert_with(|| Vec::with_capacity(text.len().saturating_add(64)));
        escaped.extend_from_slice(text.get(copied..at).unwrap_or_default());
        escaped.extend_from_slice(escape);
        copied = at.saturating_add(separator.len());
    }
    match escaped {
        None => text,
        Some(mut escaped) => {
            escaped.extend_from_slice(text.get(copied..).unwrap_or_default());
            escaped.into()
        }
    }
}

/// Escapes the separators in the events of a response; plain JSON is not split into lines.
pub(super) fn escape_events(response: Response) -> Response {
    let content = response.headers().get(header::CONTENT_TYPE);
    if content.is_none_or(|content| !content.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    // Each frame is a whole event, so no separator is split.
    response.map(|body| Body::new(body.map_frame(|frame| frame.map_data(escape)))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_line_separator_stands_raw_in_an_event() {
        let text = "a\u{2028}b\u{2029}\u{85}é\u{20ac}\u{a0}\u{2027}c\u{2028}";
        let json = serde_json::to_string(text).unwrap();
        let written = escape(json.clone().into());
        let written = std::str::from_utf8(&written).unwrap();
        assert_eq!(written, r#""a\u2028b\u2029\u0085é€ ‧c\u2028""#.replace(' ', "\u{a0}"));
        assert_eq!(serde_json::from_str::<String>(written).unwrap(), text);
        assert_eq!(escape("plain".into()), "plain");

        for (content, expected) in [("text/event-stream", written), ("application/json", json.as_str())] {
            let response = ([(header::CONTENT_TYPE, content)], json.clone()).into_response();
            let body = escape_events(response).into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, expected, "{content}");
        }
    }
}
