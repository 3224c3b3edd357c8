//! Redaction of arguments, tool names and client names for the audit log: truncates, and removes apparent credentials.

use percent_encoding::percent_decode_str;
use porthole_contract::{Token, plain_name, truncate, words_of_name};
use serde_json::{Map, Value};

/// Maximum bytes of one argument or name: bounds what a client can write into the log.
const MAX_TEXT: usize = 200;
/// Bytes searched beyond the logged part: a token that begins in the logged part ends within them.
const TOKEN_SPAN: usize = 4 << 10;
/// Maximum number of logged arguments per call; a tool takes a dozen.
const MAX_ARGUMENTS: usize = 32;
/// Layers of percent-encoding that are decoded: a token in a URL in a URL.
const ENCODINGS: usize = 2;
/// Layers of JSON that are looked through: JSON text in a text of arguments.
const QUOTINGS: usize = 2;
/// Growth of a token if [`ENCODINGS`] layers encode each of its bytes, `%25XX` as three characters for each of three.
const ENCODED_GROWTH: usize = 9;
/// Base64 characters after `eyJ` that distinguish a JSON Web Token from a name.
const JWT_REST: usize = 8;
/// Minimum length of the caller's own token to search for; a shorter one would match ordinary words.
const MIN_TOKEN: usize = 6;
/// Substrings of argument names whose values are always redacted. Tools do not take such arguments; models send them
/// all the same.
const SECRETS: [&str; 16] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "authorization",
    "authentication",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "cookie",
    "session",
    "bearer",
    "jwt",
];
/// Whole words of argument names, too short to be matched as substrings.
const SECRET_WORDS: [&str; 7] = ["pw", "pwd", "pass", "auth", "oauth", "creds", "otp"];
const REDACTED: &str = "<redacted>";

/// Redacts credentials in the log entries of one caller's calls.
#[derive(Default)]
pub(crate) struct Redactor {
    /// The caller's own token, which may have any format; and as JSON escapes it, if it has a quote or a backslash.
    own: Vec<Token>,
}

impl Redactor {
    /// Creates a redactor that also removes the caller's own token.
    pub(crate) fn new(own: Option<&Token>) -> Self {
        let mut forms: Vec<Token> =
            own.filter(|token| token.expose().len() >= MIN_TOKEN).cloned().into_iter().collect();
        for _ in 0..QUOTINGS {
            let escaped = forms.last().and_then(|token| escape(token.expose()));
            forms.extend(escaped);
        }
        Self { own: forms }
    }

    /// Redacts arguments.
    pub(crate) fn redact_arguments(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let entry = |(name, value): (&String, &Value)| {
            let value = if is_secret(name) { REDACTED.into() } else { self.redact_value(value) };
            (self.redact(name), value)
        };
        arguments.iter().take(MAX_ARGUMENTS).map(entry).collect()
    }

    /// Redacts a name or another short text.
    pub(crate) fn redact(&self, text: &str) -> String {
        let own = self.own.iter().map(|own| own.expose().len()).max().unwrap_or(0);
        // The search window is wider than the logged part: truncating first could split a token, and its head would be
        // logged. Each layer of percent-encoding can triple a token.
        let encoded = own.saturating_mul(ENCODED_GROWTH);
        let window = MAX_TEXT.saturating_add(encoded.max(TOKEN_SPAN));
        if self.holds_credential(truncate(text, window)) {
            return REDACTED.to_owned();
        }
        let kept = truncate(text, MAX_TEXT);
        if kept.len() == text.len() {
            return text.to_owned();
        }
        format!("{kept}… ({} bytes)", text.len())
    }

    fn redact_value(&self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::String(text) => self.redact(text).into(),
            // A token of digits is a JSON number.
            Value::Number(number) => {
                let text = number.to_string();
                if self.holds_credential(&text) { REDACTED.into() } else { value.clone() }
            }
            // Tools take nothing nested deeper than a list of strings.
            Value::Array(_) | Value::Object(_) if names_secret(value) => REDACTED.into(),
            Value::Array(_) | Value::Object(_) => self.redact(&value.to_string()).into(),
        }
    }

    /// True if the text contains the caller's token, a JSON Web Token or a bearer header, plain or percent-encoded.
    fn holds_credential(&self, text: &str) -> bool {
        let mut text = std::borrow::Cow::Borrowed(text);
        for _ in 0..=ENCODINGS {
            let own = self.own.iter().any(|own| text.contains(own.expose()));
            if own || holds_jwt(&text) || text.to_ascii_lowercase().contains("bearer") {
                return true;
            }
            if !text.contains('%') {
                return false;
            }
            text = percent_decode_str(&text).decode_utf8_lossy().into_owned().into();
        }
        false
    }
}

/// A token as it stands within a JSON string; `None` if it is unchanged there, or longer than any token.
fn escape(token: &str) -> Option<Token> {
    let escaped = token.replace('\\', r"\\").replace('"', r#"\""#);
    if escaped == token { None } else { Token::parse(&escaped).ok() }
}

/// True if `eyJ` (base64 of `{"`) is followed by enough characters for a token, anywhere in a word.
fn holds_jwt(text: &str) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.match_indices("eyJ").any(|(at, begin)| {
        let rest = text.as_bytes().get(at.saturating_add(begin.len())..).unwrap_or_default();
        rest.iter().take_while(|byte| base64(byte)).take(JWT_REST).count() == JWT_REST
    })
}

/// True if the values of arguments with this name are redacted.
fn is_secret(name: &str) -> bool {
    let name = truncate(name, MAX_TEXT);
    let plain = plain_name(name);
    if SECRETS.iter().any(|secret| plain.contains(secret)) {
        return true;
    }
    words_of_name(name).iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
}

/// True if a key of the value, at any depth, names a secret.
fn names_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, value)| is_secret(name) || names_secret(value)),
        Value::Array(list) => list.iter().any(names_secret),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OPAQUE: &str = "kx7-opaque-31337";

    fn redactor() -> Redactor {
        Redactor::new(Some(&Token::parse(OPAQUE).unwrap()))
    }

    #[test]
    fn arguments_are_shown_without_secrets_and_without_end() {
        let arguments = json!({
            "name": "web", "tail": 5, "namespaces": ["a", "b"], "author": "passion", "labelSelector": "app=web", "api_key": "x",
            "clientSecret": "y", "pw": "y", "dbPwd": "y", "user_pass": "y", "Set-Cookie": "y", "passwd": "y",
            "query": "Authorization: Bearer abc", "note": "it is eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "long": "z".repeat(5000),
            "nested": {"a": [{"password": "hunter2"}]},
        });
        let shown = redactor().redact_arguments(arguments.as_object().unwrap());
        assert_eq!(
            (&shown["name"], &shown["tail"], &shown["author"]),
            (&json!("web"), &json!(5), &json!("passion"))
        );
        assert_eq!(
            (&shown["namespaces"], &shown["labelSelector"]),
            (&json!("[\"a\",\"b\"]"), &json!("app=web"))
        );
        for secret in [
            "api_key",
            "clientSecret",
            "pw",
            "dbPwd",
            "user_pass",
            "Set-Cookie",
            "passwd",
            "query",
            "note",
            "nested",
        ] {
            assert_eq!(shown[secret], REDACTED, "{secret}");
        }
        assert!(shown["long"].as_str().unwrap().len() < 250);
    }

    #[test]
    fn a_token_is_found_wherever_it_stands() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
        for text in [
            format!("({jwt})"),
            format!("a%20{jwt}"),
            format!("x{jwt}"),
            format!("Bearer%20{OPAQUE}x"),
            "bearer%2520whatever".to_owned(),
            "BEARER:abc".to_owned(),
            format!("user:{OPAQUE}@host"),
            OPAQUE.replace('-', "%2D"),
            format!("{}{OPAQUE}", "z".repeat(MAX_TEXT - 4)),
        ] {
            assert_eq!(redactor().redact(&text), REDACTED, "{text}");
        }
        for plain in ["keyJson", "moneyJar", "web-6d4f", "100%", "secret-store"] {
            assert_eq!(redactor().redact(plain), plain);
        }
        // A long token is found behind its encoding too, not only a part of it.
        let long = "k7-".repeat(1000);
        let encoded: String = long.bytes().map(|byte| format!("%25{byte:02X}")).collect();
        let redactor_of_long = Redactor::new(Some(&Token::parse(&long).unwrap()));
        assert_eq!(redactor_of_long.redact(&encoded), REDACTED);
        let named = [(OPAQUE.to_owned(), json!("x"))].into_iter().collect();
        assert!(redactor().redact_arguments(&named).contains_key(REDACTED));
        // What JSON escapes is found in what is serialized, and in JSON text within a text.
        let odd = r#"hunter"2-correct\horse-99"#;
        let redactor_of_odd = Redactor::new(Some(&Token::parse(odd).unwrap()));
        let written = json!({"x": {"y": odd}}).to_string();
        let twice = json!([written]).to_string();
        for value in [
            json!([odd]),
            json!({"x": {"y": odd}}),
            json!({ odd: 1 }),
            json!([written]),
            json!(written),
            json!(twice),
        ] {
            assert_eq!(redactor_of_odd.redact_value(&value), REDACTED, "{value}");
        }
        let encoded: String = written.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [written, encoded, format!("Agent/1 {}", json!(odd))] {
            assert_eq!(redactor_of_odd.redact(&text), REDACTED, "{text}");
        }
        let digits = Redactor::new(Some(&Token::parse("1234567890").unwrap()));
        assert_eq!(digits.redact_value(&json!(1_234_567_890)), REDACTED);
    }
}
