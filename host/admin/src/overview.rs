//! Overview page: served tools, failed files, call statistics, curves, readers and recent calls.

mod curves;
mod readers;
mod recent;

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use maud::{Markup, html};
use porthole_contract::{Printable, describe_rules};
use porthole_tools::{Metrics, Origin, Snapshot, Tool, Verdict};

use super::{
    Admin,
    layout::{layout, milliseconds, timestamp},
};
use curves::curves;
use readers::readers;
use recent::recent;

/// Handles GET `/`.
pub(super) async fn page(State(admin): State<Arc<Admin>>) -> Markup {
    let snapshot = admin.calls.catalog().current();
    let metrics = admin.calls.metrics();
    let content = html! {
        h1 { "Porthole " (env!("CARGO_PKG_VERSION")) }
        p.quiet {
            "Lets an agent look into the cluster at " code { (Printable(admin.guard.address())) }
            ", and lets nothing climb through."
        }
        (summary(&snapshot, metrics, (admin.sessions)()))
        @if !snapshot.failures.is_empty() { (failures(&snapshot.failures)) }
        (curves(&metrics.hour()))
        (tools(&snapshot, metrics))
        (readers(&metrics.readers()))
        (recent(&metrics.recent()))
    };
    layout("Porthole", &content)
}

fn summary(snapshot: &Snapshot, metrics: &Metrics, sessions: usize) -> Markup {
    let closed: Vec<&str> = snapshot.disabled.iter().map(|name| &**name).collect();
    html! {
        dl {
            dt { "Tools served" }
            dd { (snapshot.tools.len()) }
            dt { "Files not served" }
            dd {
                @match snapshot.failures.len() {
                    0 => { span.ok { "none" } }
                    some => { a.error href="#failed" { (some) } }
                }
            }
            dt { "Files that wait for an approval" }
            dd {
                @match snapshot.held.len() {
                    0 => { span.ok { "none" } }
                    some => { a.error href="#failed" { (some) } }
                }
            }
            dt { "Last file loaded" }
            dd {
                @if let Some(at) = metrics.last_load() { (timestamp(at)) " UTC" } @else { "none yet" }
            }
            dt { "Tools that the configuration closes" }
            dd { @if closed.is_empty() { "none" } @else { (closed.join(", ")) } }
            dt { "SSE sessions open" }
            dd { (sessions) }
            dt { "Figures for Prometheus" }
            dd { a href="/metrics" { "/metrics" } }
        }
    }
}

/// Renders the files that are not served, with the reasons.
fn failures(failures: &BTreeMap<String, String>) -> Markup {
    html! {
        h2 #failed { "Not served" }
        div.scroll {
            table {
                tr { th { "File" } th { "Why" } }
                @for (file, reason) in failures {
                    tr {
                        td.mono { (Printable(file)) }
                        td.wide.error { (Printable(reason)) }
                    }
                }
            }
        }
    }
}

fn tools(snapshot: &Snapshot, metrics: &Metrics) -> Markup {
    html! {
        h2 { "Tools" }
        div.scroll {
            table {
                tr {
                    th { "Tool" }
                    th.number { "Calls" }
                    th.number { "Errors" }
                    th.number { "p50" }
                    th.number { "p99" }
                    th { "May read" }
                    th { "Version" }
                    th { "Digest" }
                    @if !snapshot.origins.is_empty() { th { "Origin" } }
                }
                @for tool in snapshot.tools.values() { (tool_row(tool, metrics, snapshot)) }
            }
        }
        p.quiet {
            "p50 and p99 are of each tool's last 512 calls. Calls are counted since this process started. "
            "A tool's name leads to a form to try it."
        }
    }
}

/// Renders the row of a tool. Name, version and reads were parsed when the tool was loaded: none holds a character that
/// is markup or steers.
fn tool_row(tool: &Tool, metrics: &Metrics, snapshot: &Snapshot) -> Markup {
    let name = &tool.description.name;
    let metrics = metrics.of(name);
    let quantile = |part| metrics.quantile(part).map_or_else(|| "-".to_owned(), milliseconds);
    html! {
        tr {
            td { a href={ "/tools/" (name) } { (name) } }
            td.number { (metrics.calls) }
            td.number {
                @if metrics.errors == 0 {
                    "0"
                } @else {
                    span.error title={ "the last: " (metrics.last_error.map_or("", Verdict::as_str)) } {
                        (metrics.errors)
                    }
                }
            }
            td.number { (quantile(0.5)) }
            td.number { (quantile(0.99)) }
            td.wide {
                (describe_rules(tool.description.grant.rules()))
                @if let Some(kinds) = snapshot.grant(tool).named_kinds() {
                    " (`*`: " (kinds) " kinds of its approval)"
                }
            }
            td { (tool.description.version) }
            td.mono title=(tool.digest) { (tool.digest.short()) }
            @if !snapshot.origins.is_empty() { td.wide { (origin(snapshot.origins.get(name))) } }
        }
    }
}

/// Renders the image that a tool came from, and the key that had signed it. A tool of the folder's own has neither.
fn origin(origin: Option<&Arc<Origin>>) -> Markup {
    html! {
        @if let Some(origin) = origin {
            span.mono { (Printable(origin.source())) }
            @match origin.signed_by() {
                Some(key) => { ", signed by " (Printable(key)) }
                None => { ", no signature asked for" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile;

    #[test]
    fn the_origin_of_a_tool_is_text_and_a_tool_without_one_shows_nothing() {
        let hostile = "r.example/<b>\"&a@sha256:ab";
        let signed = Origin::parse(hostile.to_owned(), Some("<i>key".to_owned())).map(Arc::new);
        assert_eq!(
            origin(signed.as_ref()).into_string(),
            "<span class=\"mono\">r.example/&lt;b&gt;&quot;&amp;a@sha256:ab</span>, signed by &lt;i&gt;key"
        );
        assert_eq!(origin(None).into_string(), "");
    }

    #[test]
    fn a_hostile_file_and_its_reason_are_text() {
        let page = failures(&BTreeMap::from([(hostile::TEXT.to_owned(), hostile::TEXT.to_owned())]));
        hostile::assert_text(&page.into_string(), 2);
    }
}
