//! The audit line: who asked what, through which tool, what was read for it, and what came of it. One JSON object a call.
//!
//! It never holds a token: callers stand in it by name, and of arguments only what [`shown`] leaves.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Made;

/// Bytes of one argument. A client could write a novel into the log.
const LONGEST_ARGUMENT: usize = 200;
/// Arguments of one call; a tool takes a dozen.
const MOST_ARGUMENTS: usize = 32;
/// Arguments that are not shown, whatever is in them. Tools have no use for them; models write them all the same.
const SECRETS: [&str; 6] = ["token", "password", "secret", "authorization", "credential", "apikey"];
const REDACTED: &str = "<redacted>";

/// One call, as the audit line tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditLine<'c> {
    /// The user name that the API server gives the caller's token.
    pub(crate) caller: &'c str,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<&'c str>,
    pub(crate) tool: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'c str>,
    /// SHA-256 of the tool's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<&'c str>,
    pub(crate) arguments: Map<String, Value>,
    /// `ok`; `error` (the tool's own); `arguments`, `unknown`, `busy` (it did not begin); `limit`, `fault`, `overlong`;
    /// `left` (the client went away).
    pub(crate) verdict: &'static str,
    pub(crate) reads: Vec<Made>,
    /// Bytes that the cluster sent for it.
    pub(crate) read_bytes: u64,
    /// Bytes of the answer.
    pub(crate) bytes_out: usize,
    pub(crate) ms: u64,
    /// Time inside the component.
    pub(crate) cpu_us: u64,
    /// The most memory of the component, in bytes.
    pub(crate) memory: usize,
}

/// Arguments as they may be logged.
pub(crate) fn shown(arguments: &Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (&String, &Value)| {
        let plain = name.replace(['_', '-'], "").to_lowercase();
        let value = if SECRETS.iter().any(|secret| plain.contains(secret)) {
            REDACTED.into()
        } else {
            shown_value(value)
        };
        (cut(name), value)
    };
    arguments.iter().take(MOST_ARGUMENTS).map(shown).collect()
}

fn shown_value(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => redacted(text).into(),
        // Tools take nothing deeper than a list of strings.
        Value::Array(_) | Value::Object(_) => redacted(&value.to_string()).into(),
    }
}

/// A text without what looks like a token of Kubernetes or of OAuth.
fn redacted(text: &str) -> String {
    let token = |word: &str| word.starts_with("eyJ") || word.eq_ignore_ascii_case("bearer");
    if text.split(|c: char| c.is_whitespace() || "\"',:=".contains(c)).any(token) {
        return REDACTED.to_owned();
    }
    cut(text)
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST_ARGUMENT {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(LONGEST_ARGUMENT)).unwrap_or_default();
    format!("{kept}… ({} bytes)", text.len())
}

/// Where audit lines go.
pub(crate) enum Audit {
    Off,
    Stderr,
    File(Mutex<File>),
}

impl Audit {
    /// Appends to a file that only its owner can read.
    pub(crate) fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self::File(Mutex::new(file)))
    }

    /// Writes a line in one piece. A disk that is full must not stop calls; the log says so.
    pub(crate) fn write(&self, line: &AuditLine<'_>) {
        #[derive(Serialize)]
        struct Stamped<'l> {
            audit: String,
            #[serde(flatten)]
            line: &'l AuditLine<'l>,
        }
        if matches!(self, Self::Off) {
            return;
        }
        let audit = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let Ok(mut text) = serde_json::to_vec(&Stamped { audit, line }) else { return };
        text.push(b'\n');
        let written = match self {
            Self::Off => Ok(()),
            Self::Stderr => io::stderr().lock().write_all(&text),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text),
        };
        if let Err(error) = written {
            tracing::error!("an audit line is lost: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_shown_without_secrets_and_without_end() {
        let arguments = json!({
            "name": "web", "tail": 5, "namespaces": ["a", "b"], "api_key": "x", "clientSecret": "y",
            "query": "Authorization: Bearer abc", "note": "it is eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "long": "z".repeat(5000),
        });
        let shown = shown(arguments.as_object().unwrap());
        assert_eq!(shown["name"], "web");
        assert_eq!(shown["tail"], 5);
        assert_eq!(shown["namespaces"], "[\"a\",\"b\"]");
        for secret in ["api_key", "clientSecret", "query", "note"] {
            assert_eq!(shown[secret], REDACTED, "{secret}");
        }
        assert!(shown["long"].as_str().unwrap().len() < 250);
    }
}
