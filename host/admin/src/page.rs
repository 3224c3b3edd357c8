//! Overview page: served tools, failed files, call statistics and recent calls.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use porthole_contract::describe_rules;
use porthole_tools::{Metrics, Tool, Verdict};

use super::{Admin, escape::text};

/// Renders a page around its body.
pub(super) fn layout(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n{body}\n</html>\n",
        text(title)
    )
}

/// Renders the page at `/`.
pub(super) fn overview(admin: &Admin) -> String {
    let snapshot = admin.calls.catalog().current();
    let metrics = admin.calls.metrics();
    let mut body = format!(
        "<h1>Porthole {}</h1>\n<p class=\"quiet\">Lets an agent look into the cluster at <code>{}</code>, and lets nothing climb through.</p>\n",
        env!("CARGO_PKG_VERSION"),
        text(admin.guard.address())
    );
    let closed: Vec<&str> = snapshot.disabled.iter().map(|name| &**name).collect();
    let failed = match snapshot.failures.len() {
        0 => "<span class=\"well\">none</span>".to_owned(),
        some => format!("<a class=\"ill\" href=\"#failed\">{some}</a>"),
    };
    let _ = write!(
        body,
        "<dl>\n<dt>Tools served</dt><dd>{}</dd>\n<dt>Files not served</dt><dd>{failed}</dd>\n<dt>Last file loaded</dt><dd>{}</dd>\n<dt>Tools that the configuration closes</dt><dd>{}</dd>\n<dt>SSE sessions open</dt><dd>{}</dd>\n<dt>Figures for Prometheus</dt><dd><a href=\"/metrics\">/metrics</a></dd>\n</dl>\n",
        snapshot.tools.len(),
        metrics.last_load().map_or_else(|| "none yet".to_owned(), |at| format!("{} UTC", timestamp(at))),
        if closed.is_empty() { "none".to_owned() } else { text(&closed.join(", ")) },
        (admin.sessions)(),
    );
    if !snapshot.failures.is_empty() {
        body.push_str("<h2 id=\"failed\">Not served</h2>\n<div class=\"scroll\"><table>\n<tr><th>File</th><th>Why</th></tr>\n");
        for (file, reason) in &snapshot.failures {
            let _ = writeln!(
                body,
                "<tr><td class=\"mono\">{}</td><td class=\"wide ill\">{}</td></tr>",
                text(file),
                text(reason)
            );
        }
        body.push_str("</table></div>\n");
    }
    body.push_str("<h2>Tools</h2>\n<div class=\"scroll\"><table>\n<tr><th>Tool</th><th class=\"number\">Calls</th><th class=\"number\">Errors</th><th class=\"number\">p50</th><th class=\"number\">p99</th><th>May read</th><th>Version</th><th>Digest</th></tr>\n");
    for tool in snapshot.tools.values() {
        row(&mut body, tool, metrics);
    }
    body.push_str("</table></div>\n<p class=\"quiet\">p50 and p99 are of each tool's last 512 calls. Calls are counted since this process started. A tool's name leads to a form to try it.</p>\n");
    recent(&mut body, metrics);
    layout("Porthole", &body)
}

fn row(body: &mut String, tool: &Tool, metrics: &Metrics) {
    let description = &tool.description;
    let metrics = metrics.of(&description.name);
    let quantile = |part| metrics.quantile(part).map_or_else(|| "-".to_owned(), milliseconds);
    let errors = match (metrics.errors, metrics.last_error) {
        (0, _) => "0".to_owned(),
        (errors, last) => {
            format!(
                "<span class=\"ill\" title=\"the last: {}\">{errors}</span>",
                last.map_or("", Verdict::as_str)
            )
        }
    };
    let name = text(&description.name);
    let _ = writeln!(
        body,
        "<tr><td><a href=\"/tools/{name}\">{name}</a></td><td class=\"number\">{}</td><td class=\"number\">{errors}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"wide\">{}</td><td>{}</td><td class=\"mono\" title=\"{}\">{}</td></tr>",
        metrics.calls,
        quantile(0.5),
        quantile(0.99),
        text(&describe_rules(tool.grant.rules())),
        text(&description.version),
        tool.digest,
        tool.digest.short(),
    );
}

fn recent(body: &mut String, metrics: &Metrics) {
    let calls = metrics.recent();
    body.push_str("<h2>Last calls</h2>\n");
    if calls.is_empty() {
        body.push_str("<p class=\"quiet\">None since this process started.</p>\n");
        return;
    }
    body.push_str("<div class=\"scroll\"><table>\n<tr><th>When (UTC)</th><th>Tool</th><th>Came to</th><th class=\"number\">Took</th><th class=\"number\">Bytes</th><th>Arguments</th><th>Who</th><th>Client</th></tr>\n");
    for call in calls {
        let when = timestamp(call.at);
        let class = if call.verdict == Verdict::Ok { "well" } else { "ill" };
        let _ = writeln!(
            body,
            "<tr><td class=\"number\">{when}</td><td>{}</td><td class=\"{class}\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"wide mono\">{}</td><td class=\"wide\">{}</td><td>{}</td></tr>",
            text(&call.tool),
            call.verdict.as_str(),
            milliseconds(call.took),
            call.bytes,
            text(&call.arguments),
            text(&call.caller),
            text(&call.client),
        );
    }
    body.push_str("</table></div>\n<p class=\"quiet\">As in the audit log: long arguments are cut, and what looks like a secret is redacted.</p>\n");
}

/// Formats a timestamp: `2026-11-24 11:27:03`.
fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', "")
}

pub(super) fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}
