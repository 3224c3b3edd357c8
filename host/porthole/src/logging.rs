//! Log on stderr: one line per event, escaped, written by a dedicated thread.
//!
//! Tools, clients, clusters and file names all reach the log. Escaping whole lines when they are written, instead of
//! fields when they are logged, covers every field.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use porthole_contract::{Printable, controls_display, truncate};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Maximum bytes of a line. An event is a sentence; at `trace` a library logs a request.
const MAX_LINE: usize = 16 << 10;
/// Maximum number of queued lines. More are dropped and counted: a pipe without a reader must not block calls.
const MAX_QUEUED_LINES: usize = 1024;
/// Maximum time to flush the log at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts logging, as text or as one JSON object per line. Dropping the guard flushes the log.
pub(crate) fn init(filter: &str, json: bool) -> anyhow::Result<Log> {
    let levels = EnvFilter::try_new(filter).with_context(|| format!("--log {filter:?}"))?;
    let (lines, queue) = sync_channel(MAX_QUEUED_LINES);
    let dropped = Arc::new(AtomicU64::new(0));
    let (ended, end) = sync_channel(0);
    let lost = Arc::clone(&dropped);
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        write_all(&queue, &lost);
        drop(ended);
    })?;
    let writer = LineWriter { lines: lines.clone(), dropped, json };
    let log = tracing_subscriber::fmt().with_env_filter(levels).with_writer(writer);
    if json {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
    // Without a backtrace, which would keep the binary's debug information mapped.
    std::panic::set_hook(Box::new(|panic| tracing::error!("panic: {panic}")));
    Ok(Log { lines, end })
}

/// Guard of the log; flushes it on drop.
pub(crate) struct Log {
    lines: SyncSender<Line>,
    end: Receiver<()>,
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.lines.try_send(Line::End).is_ok() {
            let _: Result<(), RecvTimeoutError> = self.end.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

enum Line {
    Text(String),
    End,
}

/// Writes queued lines. Errors are ignored: with stderr gone, there is nowhere to report them.
fn write_all(queue: &Receiver<Line>, dropped: &AtomicU64) {
    while let Ok(Line::Text(line)) = queue.recv() {
        let _ = io::stderr().write_all(without_tokens(&line).as_bytes());
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            let _ = writeln!(io::stderr(), "{lost} log lines were dropped: stderr is read too slowly");
        }
    }
}

/// Turns each event into a line.
#[derive(Clone)]
struct LineWriter {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    json: bool,
}

impl<'w> MakeWriter<'w> for LineWriter {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Write for LineWriter {
    /// Accepts a whole event: tracing-subscriber writes each with one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let line = if self.json { json_line(text) } else { text_line(text) };
        if self.lines.try_send(Line::Text(line)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text_line(text: &str) -> String {
    let kept = truncate(text, MAX_LINE);
    let rest = text.len().saturating_sub(kept.len());
    let more = if rest > 0 { format!("… ({rest} bytes more)") } else { String::new() };
    format!("{}{more}\n", Printable(kept))
}

/// Redacts JSON Web Tokens: a client may send its own as an argument, and at `trace` a library logs it.
fn without_tokens(line: &str) -> Cow<'_, str> {
    /// Minimum length of a word that begins with `eyJ`, base64 of `{"`, to be a token and not a name.
    const MIN_TOKEN: usize = 12;
    let of_token = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if !line.contains("eyJ") {
        return line.into();
    }
    let (mut kept, mut rest) = (String::with_capacity(line.len()), line);
    while let Some((before, token)) = rest.find("eyJ").and_then(|at| rest.split_at_checked(at)) {
        let end = token.find(|letter| !of_token(letter)).unwrap_or(token.len());
        let (word, after) = token.split_at_checked(end).unwrap_or((token, ""));
        kept.push_str(before);
        kept.push_str(if word.len() < MIN_TOKEN { word } else { "<redacted>" });
        rest = after;
    }
    kept.push_str(rest);
    kept.into()
}

/// Escapes bidirectional controls in a JSON line. JSON already escapes line breaks.
fn json_line(text: &str) -> String {
    if text.len() > MAX_LINE {
        return format!(
            "{{\"level\":\"WARN\",\"message\":\"a log line of {} bytes is left out\"}}\n",
            text.len()
        );
    }
    let mut line = String::with_capacity(text.len().saturating_add(1));
    for letter in text.chars() {
        if controls_display(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(letter);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(json: bool, event: impl FnOnce()) -> Vec<String> {
        let (lines, queue) = sync_channel(MAX_QUEUED_LINES);
        let writer = LineWriter { lines, dropped: Arc::default(), json };
        let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
        if json {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.json()), event);
        } else {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), event);
        }
        let text = |line| match line {
            Line::Text(text) => text,
            Line::End => String::new(),
        };
        queue.try_iter().map(text).collect()
    }

    const FORGED: &str = "x\n{\"audit\":\"2026\",\"verdict\":\"ok\"}\r\u{1b}[2J\u{202e}\u{e0041}";

    #[test]
    fn no_line_holds_a_token() {
        let line = "a eyJhbGciOiJFUzI1NiJ9.e30.c2ln\" b%20eyJhbGciOiJub25lIn0.e30. eyJx monkeyJar";
        assert_eq!(without_tokens(line), "a <redacted>\" b%20<redacted> eyJx monkeyJar");
        assert!(matches!(without_tokens("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn no_field_of_an_event_begins_a_line_of_its_own() {
        for json in [false, true] {
            let lines = logged(json, || {
                tracing::error!(tool = FORGED, message = FORGED, "the tool says");
                tracing::error!("{FORGED} is not served");
                tracing::error!(file = %FORGED, path = ?FORGED);
            });
            assert_eq!(lines.len(), 3);
            for line in lines {
                let line = line.strip_suffix('\n').unwrap();
                assert!(!line.chars().any(controls_display), "{line:?}");
                assert!(!json || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let long = "é".repeat(100_000);
        for json in [false, true] {
            let lines = logged(json, || tracing::error!("{long}"));
            assert!(lines[0].len() < MAX_LINE + 100, "{}", lines[0].len());
        }
    }
}
