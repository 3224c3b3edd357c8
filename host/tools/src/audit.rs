//! The audit line: who asked what, through which tool, what was read for it, and what came of it. One JSON object a call.
//!
//! It never holds a token: callers stand in it by name, and of arguments only what a [`Redactor`] leaves. Lines go to a
//! stream of their own, through a bounded queue, so that neither a slow pipe nor a full disk holds up an async thread.

mod redactor;
mod stream;

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use porthole_contract::Digest;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use redactor::Redactor;
pub(crate) use stream::{AuditUnavailable, Reservation};

use porthole_contract::cut;
use porthole_guard::ReadRecord;

use crate::Verdict;
use stream::{Sink, Stream};

/// Bytes of one line. Reads have a bound of their own; what is left out for its size is said.
const MAX_LINE: usize = 48 << 10;
/// Bytes of arguments in one line: thirty-two names and values of control characters would otherwise be 77 kB.
const MAX_ARGUMENTS: usize = 16 << 10;
/// Bytes of the caller's name. API servers take any length from an identity provider.
const MAX_CALLER: usize = 256;
/// Bytes of what a client calls itself.
const MAX_CLIENT: usize = 128;
/// Bytes of a tool's name, as many as a tool's name may have. A client may ask for any.
const MAX_TOOL: usize = 64;

/// What becomes of calls while audit lines cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// A call is refused before it begins.
    #[default]
    Refuse,
    /// The line is dropped and counted.
    Drop,
}

/// One call, as the audit line tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine<'c> {
    /// The user name that the API server gives the caller's token.
    pub caller: &'c str,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'c str>,
    pub tool: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'c str>,
    /// SHA-256 of the tool's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub arguments: Map<String, Value>,
    /// The verdict on the call.
    pub verdict: Verdict,
    pub reads: Vec<ReadRecord>,
    /// Bytes that the cluster sent for it.
    pub read_bytes: u64,
    /// Bytes of the answer.
    pub bytes_out: usize,
    pub ms: u64,
    /// Time inside the component.
    pub cpu_us: u64,
    /// The most memory of the component, in bytes.
    pub memory: usize,
}

impl<'c> AuditLine<'c> {
    /// The line of a call that no tool has served.
    pub fn unserved(caller: &'c str, client: Option<&'c str>, tool: &'c str, verdict: Verdict) -> Self {
        Self {
            caller,
            client,
            tool: cut(tool, MAX_TOOL),
            version: None,
            digest: None,
            arguments: Map::new(),
            verdict,
            reads: Vec::new(),
            read_bytes: 0,
            bytes_out: 0,
            ms: 0,
            cpu_us: 0,
            memory: 0,
        }
    }
}

/// Where audit lines go.
#[derive(Clone)]
pub enum Audit {
    /// Nowhere.
    Off,
    /// To a stream of its own.
    To(Arc<Stream>),
}

impl Audit {
    /// To the process's stdout, which nothing else writes to while it serves HTTP.
    pub fn stdout(on_failure: OnFailure) -> io::Result<Self> {
        Self::to(Sink::Stdout, on_failure)
    }

    /// To the process's stderr, beside the log, whose lines are escaped.
    pub fn stderr(on_failure: OnFailure) -> io::Result<Self> {
        Self::to(Sink::Stderr, on_failure)
    }

    /// Appends to a file that only its owner can read.
    pub fn file(path: &Path, on_failure: OnFailure) -> io::Result<Self> {
        Self::to(Sink::file(path)?, on_failure)
    }

    fn to(sink: Sink, on_failure: OnFailure) -> io::Result<Self> {
        Ok(Self::To(Arc::new(Stream::start(sink, on_failure)?)))
    }

    /// Registers this module's metrics.
    pub fn register(&self, registry: &mut Registry) {
        if let Self::To(stream) = self {
            stream.register(registry);
        }
    }

    /// Room for the line of a call that is about to begin, so that a call that ran has its line for certain.
    pub fn reserve(&self) -> Result<Reservation, AuditUnavailable> {
        match self {
            Self::Off => Ok(Reservation::none()),
            Self::To(stream) => stream.reserve(MAX_LINE),
        }
    }

    /// Queues a line. One without a reservation, of a call that did not begin, is dropped and counted if there is no room.
    pub fn write(&self, line: &AuditLine<'_>, reservation: Option<Reservation>) {
        let Self::To(stream) = self else { return };
        let Some(text) = printed(line) else { return };
        stream.send(text, reservation);
    }

    /// Waits until the lines so far are written, at most this long.
    pub async fn flush(&self, at_most: Duration) {
        if let Self::To(stream) = self {
            stream.flush(at_most).await;
        }
    }
}

#[derive(Serialize)]
struct Stamped<'l> {
    audit: String,
    #[serde(flatten)]
    line: &'l AuditLine<'l>,
}

/// The line as JSON, with its moment and its end, at most [`MAX_LINE`] bytes.
fn printed(line: &AuditLine<'_>) -> Option<Vec<u8>> {
    let audit = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let line = AuditLine {
        caller: cut(line.caller, MAX_CALLER),
        client: line.client.map(|client| cut(client, MAX_CLIENT)),
        arguments: bounded(&line.arguments),
        reads: line.reads.clone(),
        ..*line
    };
    let text = serde_json::to_vec(&Stamped { audit: audit.clone(), line: &line }).ok()?;
    if text.len() < MAX_LINE {
        return Some(ended(text));
    }
    let arguments = left_out(text.len());
    let reads = line.reads.iter().map(shortened).collect();
    let short = AuditLine { arguments, reads, ..line };
    serde_json::to_vec(&Stamped { audit, line: &short }).ok().map(ended)
}

/// A read without its namespace. Long names must not push the reads out of the line: they would hide one of Secrets.
fn shortened(read: &ReadRecord) -> ReadRecord {
    /// Bytes of a resource, of which the longest that Kubernetes has itself are 33.
    const MAX_RESOURCE: usize = 48;
    ReadRecord { resource: cut(&read.resource, MAX_RESOURCE).to_owned(), namespace: None, ..read.clone() }
}

fn ended(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

fn bounded(arguments: &Map<String, Value>) -> Map<String, Value> {
    match serde_json::to_vec(arguments) {
        Ok(text) if text.len() <= MAX_ARGUMENTS => arguments.clone(),
        Ok(text) => left_out(text.len()),
        Err(_) => Map::new(),
    }
}

/// Stands for what was too large.
fn left_out(bytes: usize) -> Map<String, Value> {
    [("…".to_owned(), format!("{bytes} bytes are left out").into())].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn line(arguments: Map<String, Value>) -> AuditLine<'static> {
        AuditLine { arguments, ..AuditLine::unserved("somebody", None, "pods_list", Verdict::Ok) }
    }

    #[test]
    fn a_line_is_one_line_and_has_a_bound() {
        let arguments = (0..200).map(|n| (format!("n{n}"), "\u{1}".repeat(150).into())).collect();
        let text = printed(&AuditLine { caller: &"c".repeat(100_000), ..line(arguments) }).unwrap();
        assert!(text.len() < 1000, "{}", text.len());
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert!(value["arguments"]["…"].as_str().unwrap().contains("left out"), "{value}");
        let read = |resource: &str| ReadRecord {
            verb: "list",
            resource: resource.to_owned(),
            namespace: Some("\u{1}".repeat(253)),
            count: 1,
            bytes: 1,
            failed: None,
        };
        let decoys = (0..95).map(|_| read(&"\u{1}".repeat(253)));
        let reads = decoys.chain([read("secrets")]).collect();
        let text = printed(&AuditLine { reads, ..line(Map::new()) }).unwrap();
        assert!(text.len() <= MAX_LINE, "{}", text.len());
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["reads"][95]["resource"], "secrets");
        let forged = [("a".to_owned(), "x\n{\"audit\":1}".into())].into_iter().collect();
        let text = printed(&line(forged)).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
