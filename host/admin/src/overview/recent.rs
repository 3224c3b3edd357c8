//! Recent calls, as a part of the overview.

use maud::{Markup, html};
use porthole_contract::Printable;
use porthole_tools::{RecentCall, Verdict};

use crate::layout::{milliseconds, timestamp};

/// Renders the recent calls, newest first.
pub(super) fn recent(calls: &[RecentCall]) -> Markup {
    html! {
        h2 { "Last calls" }
        @if calls.is_empty() {
            p.quiet { "None since this process started." }
        } @else {
            div.scroll {
                table {
                    tr {
                        th { "When (UTC)" }
                        th { "Tool" }
                        th { "Came to" }
                        th.number { "Took" }
                        th.number { "Bytes" }
                        th { "Arguments" }
                        th { "Who" }
                        th { "Client" }
                    }
                    @for call in calls { (call_row(call)) }
                }
            }
            p.quiet {
                "As in the audit log: long arguments are cut, and what looks like a secret is redacted."
            }
        }
    }
}

fn call_row(call: &RecentCall) -> Markup {
    html! {
        tr {
            td.number { (timestamp(call.at)) }
            td { (Printable(&call.tool)) }
            td class=(if call.verdict == Verdict::Ok { "ok" } else { "error" }) { (call.verdict.as_str()) }
            td.number { (milliseconds(call.took)) }
            td.number { (call.bytes) }
            td.wide.mono { (Printable(&call.arguments)) }
            td.wide { (Printable(&call.caller)) }
            td { (Printable(&call.client)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::hostile;

    #[test]
    fn hostile_names_and_arguments_of_a_call_are_text() {
        let text = || hostile::TEXT.to_owned();
        let call = RecentCall {
            at: SystemTime::UNIX_EPOCH,
            caller: text(),
            client: text(),
            tool: text(),
            arguments: text(),
            verdict: Verdict::Error,
            took: Duration::ZERO,
            bytes: 0,
        };
        hostile::assert_text(&recent(&[call]).into_string(), 4);
    }
}
