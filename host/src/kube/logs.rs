//! Pod logs: filtered while they arrive, and read no further than the answer needs.

mod lines;

use super::{
    Allowance, ApiServer, Credential, Failure, Reason,
    objects::{parameter, segment},
};
use lines::{Lines, Progress};

/// Where the reader names no other limit, in bytes.
const DEFAULT_LIMIT: u32 = 1 << 20;

/// What to read of a container's log, and which lines of it to keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogQuery {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: Option<String>,
    pub(crate) previous: bool,
    pub(crate) tail_lines: Option<u32>,
    pub(crate) since_seconds: Option<u32>,
    /// RFC 3339.
    pub(crate) since_time: Option<String>,
    pub(crate) timestamps: bool,
    /// A regular expression; lines that match are kept.
    pub(crate) pattern: Option<String>,
    /// Keep the lines that do not match instead.
    pub(crate) invert: bool,
    /// Lines to keep before and after each that matches.
    pub(crate) context_lines: u32,
    /// Write runs of equal lines once, with their number.
    pub(crate) fold: bool,
    /// Bytes of text to return at most.
    pub(crate) limit_bytes: Option<u32>,
}

/// Why a log ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At its end.
    Whole,
    /// The text reached its limit.
    ByteLimit,
    /// The call's time or bytes ran out.
    TimeLimit,
}

/// Lines of a log.
#[derive(Debug, Clone)]
pub(crate) struct LogText {
    /// Invalid UTF-8 is replaced.
    pub(crate) text: String,
    pub(crate) lines_read: u64,
    pub(crate) bytes_read: u64,
    pub(crate) cut: Cut,
}

/// Reads a log. What has been read when time or bytes run out is returned, and marked as cut.
pub(crate) async fn pod_log(
    server: &ApiServer,
    credential: &Credential,
    query: &LogQuery,
    allowance: &Allowance,
) -> Result<LogText, Failure> {
    let what = format!("the log of pod \"{}\" in namespace {}", query.pod, query.namespace);
    let limit = usize::try_from(query.limit_bytes.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    let mut lines = Lines::new(query, limit.min(allowance.answer))?;
    let mut answer = server.get(credential, &path(query)?, "*/*", allowance, &what).await?;
    let mut bytes_read: u64 = 0;
    let cut = loop {
        match answer.chunk().await {
            Ok(None) => break Cut::Whole,
            Ok(Some(chunk)) => {
                bytes_read = bytes_read.saturating_add(chunk.len() as u64);
                if lines.feed(&chunk) == Progress::Full {
                    break Cut::ByteLimit;
                }
            }
            Err(failure) if bytes_read > 0 => match failure.reason {
                Reason::OverTime | Reason::OverBytes => break Cut::TimeLimit,
                _ => return Err(failure),
            },
            Err(failure) => return Err(failure),
        }
    };
    let (text, lines_read, overflowed) = lines.finish();
    let cut = if overflowed && cut == Cut::Whole { Cut::ByteLimit } else { cut };
    Ok(LogText { text, lines_read, bytes_read, cut })
}

fn path(query: &LogQuery) -> Result<String, Failure> {
    let namespace = segment("namespace", &query.namespace)?;
    let pod = segment("pod", &query.pod)?;
    let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let yes = |on: bool| on.then(|| "true".to_owned());
    let parameters = [
        ("container", query.container.clone()),
        ("previous", yes(query.previous)),
        ("timestamps", yes(query.timestamps)),
        ("tailLines", number(query.tail_lines)),
        ("sinceSeconds", number(query.since_seconds.filter(|_| query.since_time.is_none()))),
        ("sinceTime", query.since_time.clone()),
    ];
    for (key, value) in parameters {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameter(&mut path, key, &value);
        }
    }
    Ok(path)
}
