//! Frame of every page, and how a page writes durations and timestamps.

use std::time::{Duration, SystemTime};

use maud::{DOCTYPE, Markup, html};

/// Renders a page around its content.
pub(super) fn layout(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/style.css";
            }
            body { (content) }
        }
    }
}

/// Formats a timestamp: `2026-11-24 11:27:03`.
pub(super) fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', "")
}

/// Formats a duration: `3.2 ms`, `120 ms`.
pub(super) fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}
