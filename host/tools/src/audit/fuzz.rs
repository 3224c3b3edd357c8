//! Oracle of the audit log: no token of the caller, as it is or encoded, and a bounded line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use percent_encoding::percent_decode_str;
use porthole_contract::Token;

use super::redactor::Redactor;

const OWN: &str = r#"kx7-"opaque\31%337"#;

/// Logged arguments are short, and hold the caller's token neither as it is nor percent-encoded, nor as JSON escapes it.
pub fn audited(data: &[u8]) {
    let redactor = Redactor::new(Some(&Token::parse(OWN).unwrap()));
    let text = redactor.redact(&String::from_utf8_lossy(data));
    assert!(text.len() < 300, "{text}");
    clean(&text);
    let Ok(arguments) = serde_json::from_slice(data) else { return };
    let shown = redactor.redact_arguments(&arguments);
    assert!(shown.len() <= 32);
    for (name, value) in &shown {
        assert!(name.len() < 300 && value.as_str().is_none_or(|text| text.len() < 300));
        clean(name);
        clean(value.as_str().unwrap_or(&value.to_string()));
    }
}

fn clean(logged: &str) {
    let once = percent_decode_str(logged).decode_utf8_lossy().into_owned();
    let twice = percent_decode_str(&once).decode_utf8_lossy().into_owned();
    let quoted = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#);
    let forms = [OWN.to_owned(), quoted(OWN), quoted(&quoted(OWN))];
    for text in [logged, &once, &twice] {
        assert!(!forms.iter().any(|form| text.contains(form)), "{logged}");
    }
}
