//! Audit log: one JSON object per call, with its caller, tool, arguments, reads and verdict; and one per approval that
//! takes effect.
//!
//! A line never contains a token: callers appear by user name, and arguments as a [`Redactor`] returns them. Lines go
//! to a dedicated stream through a bounded queue, so neither a slow pipe nor a full disk blocks an async thread.

mod approval;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
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

pub(crate) use approval::ApprovalEvent;
pub(crate) use redactor::Redactor;
pub(crate) use stream::{AuditUnavailable, Reservation};

use porthole_contract::truncate;
use porthole_guard::ReadRecord;

use crate::Verdict;
use stream::{Sink, Stream};

/// Maximum bytes of one line. Reads have their own bound; a line reports what was omitted for its size.
const MAX_LINE: usize = 48 << 10;
/// Maximum bytes of arguments in one line: thirty-two names and values of control characters would otherwise be 77 kB.
const MAX_ARGUMENTS: usize = 16 << 10;
/// Maximum bytes of the caller's name. API servers accept any length from an identity provider.
const MAX_CALLER: usize = 256;
/// Maximum bytes of the client's self-reported name.
const MAX_CLIENT: usize = 128;
/// Maximum bytes of a tool's name, the limit for served tools. A client may request any name.
const MAX_TOOL: usize = 64;

/// Policy for calls while audit lines cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// Reject calls before they begin.
    #[default]
    Refuse,
    /// Drop and count the line.
    Drop,
}

/// Audit record of one call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine<'c> {
    /// User name that the API server reports for the caller's token.
    pub caller: &'c str,
    /// Client's self-reported name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'c str>,
    pub tool: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'c str>,
    /// SHA-256 of the tool's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Image that the tool came from, at its digest, as the lock of sources says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'c str>,
    /// Name of the key that had signed that image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<&'c str>,
    pub arguments: Map<String, Value>,
    /// Verdict of the call.
    pub verdict: Verdict,
    pub reads: Vec<ReadRecord>,
    /// Bytes received from the cluster.
    pub read_bytes: u64,
    /// Size of the answer in bytes.
    pub bytes_out: usize,
    pub ms: u64,
    /// Processor time inside the component, in microseconds.
    pub cpu_us: u64,
    /// Peak memory of the component, in bytes.
    pub memory: usize,
}

impl<'c> AuditLine<'c> {
    /// Record of a call that no tool served.
    pub fn unserved(caller: &'c str, client: Option<&'c str>, tool: &'c str, verdict: Verdict) -> Self {
        Self {
            caller,
            client,
            tool: truncate(tool, MAX_TOOL),
            version: None,
            digest: None,
            source: None,
            signed_by: None,
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

/// Destination of audit lines.
#[derive(Clone, Default)]
pub enum Audit {
    /// Auditing is disabled.
    #[default]
    Off,
    /// A dedicated stream.
    Stream(Arc<Stream>),
}

impl Audit {
    /// Audits to stdout, which nothing else writes to while the process serves HTTP.
    pub fn stdout(on_failure: FailurePolicy) -> io::Result<Self> {
        Self::start(Sink::Stdout, on_failure)
    }

    /// Audits to stderr, shared with the log, whose lines are escaped.
    pub fn stderr(on_failure: FailurePolicy) -> io::Result<Self> {
        Self::start(Sink::Stderr, on_failure)
    }

    /// Appends to a file with mode 0600.
    pub fn file(path: &Path, on_failure: FailurePolicy) -> io::Result<Self> {
        Self::start(Sink::file(path)?, on_failure)
    }

    fn start(sink: Sink, on_failure: FailurePolicy) -> io::Result<Self> {
        Ok(Self::Stream(Arc::new(Stream::start(sink, on_failure)?)))
    }

    /// Registers this module's metrics.
    pub fn register(&self, registry: &mut Registry) {
        if let Self::Stream(stream) = self {
            stream.register(registry);
        }
    }

    /// Reserves queue capacity for the line of a call about to begin: every call that ran is then audited.
    pub fn reserve(&self) -> Result<Reservation, AuditUnavailable> {
        match self {
            Self::Off => Ok(Reservation::none()),
            Self::Stream(stream) => stream.reserve(MAX_LINE),
        }
    }

    /// Queues a line. Without a reservation (a call that did not begin) it is dropped and counted if the queue is full.
    pub fn write(&self, line: &AuditLine<'_>, reservation: Option<Reservation>) {
        let Self::Stream(stream) = self else { return };
        let Some(text) = render(line) else { return };
        stream.send(text, reservation);
    }

    /// Queues the line of an approval, of which nobody waits for an answer.
    ///
    /// # Errors
    ///
    /// If lines cannot be written and calls are refused therefore: the caller keeps the event, and tries again.
    pub(crate) fn write_approval(&self, event: &ApprovalEvent) -> Result<(), AuditUnavailable> {
        let Self::Stream(stream) = self else { return Ok(()) };
        let Some(text) = event.render() else { return Ok(()) };
        let reservation = stream.reserve(text.len())?;
        stream.send(text, Some(reservation));
        Ok(())
    }

    /// Waits until all queued lines are written, up to `at_most`.
    pub async fn flush(&self, at_most: Duration) {
        if let Self::Stream(stream) = self {
            stream.flush(at_most).await;
        }
    }
}

#[derive(Serialize)]
struct TimestampedLine<'l> {
    audit: String,
    #[serde(flatten)]
    line: &'l AuditLine<'l>,
}

/// Renders a record as a JSON line with a timestamp, at most [`MAX_LINE`] bytes long.
fn render(line: &AuditLine<'_>) -> Option<Vec<u8>> {
    let audit = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let line = AuditLine {
        caller: truncate(line.caller, MAX_CALLER),
        client: line.client.map(|client| truncate(client, MAX_CLIENT)),
        arguments: bound_arguments(&line.arguments),
        reads: line.reads.clone(),
        ..*line
    };
    let text = serde_json::to_vec(&TimestampedLine { audit: audit.clone(), line: &line }).ok()?;
    if text.len() < MAX_LINE {
        return Some(terminate(text));
    }
    let arguments = omission(text.len());
    let reads = line.reads.iter().map(shorten).collect();
    let short = AuditLine { arguments, reads, ..line };
    serde_json::to_vec(&TimestampedLine { audit, line: &short }).ok().map(terminate)
}

/// A read without its namespace. Long names must not push reads out of the line: they could hide a read of Secrets.
fn shorten(read: &ReadRecord) -> ReadRecord {
    /// Maximum bytes of a resource name. The longest built into Kubernetes has 33.
    const MAX_RESOURCE: usize = 48;
    ReadRecord {
        resource: truncate(&read.resource, MAX_RESOURCE).to_owned(),
        namespace: None,
        ..read.clone()
    }
}

fn terminate(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

fn bound_arguments(arguments: &Map<String, Value>) -> Map<String, Value> {
    match serde_json::to_vec(arguments) {
        Ok(text) if text.len() <= MAX_ARGUMENTS => arguments.clone(),
        Ok(text) => omission(text.len()),
        Err(_) => Map::new(),
    }
}

/// Placeholder for oversized arguments.
fn omission(bytes: usize) -> Map<String, Value> {
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
        let text = render(&AuditLine { caller: &"c".repeat(100_000), ..line(arguments) }).unwrap();
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
        let (source, key) = ("\"".repeat(512), "\"".repeat(128));
        let (source, signed_by) = (Some(&*source), Some(&*key));
        let text = render(&AuditLine { reads, source, signed_by, ..line(Map::new()) }).unwrap();
        assert!(text.len() <= MAX_LINE, "{}", text.len());
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["reads"][95]["resource"], "secrets");
        let forged = [("a".to_owned(), "x\n{\"audit\":1}".into())].into_iter().collect();
        let text = render(&line(forged)).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
