//! The last readers, as a part of the overview.

use maud::{Markup, html};
use porthole_contract::Printable;
use porthole_tools::Reader;

use crate::layout::timestamp;

/// Renders the last readers, newest first.
pub(super) fn readers(readers: &[Reader]) -> Markup {
    html! {
        h2 { "Who read what" }
        @if readers.is_empty() {
            p.quiet { "Nobody has read anything since this process started." }
        } @else {
            div.scroll {
                table {
                    tr {
                        th { "Who" }
                        th { "Tool" }
                        th { "Kinds" }
                        th.number { "Reads" }
                        th.number { "Failed" }
                        th { "Last (UTC)" }
                    }
                    @for reader in readers { (reader_row(reader)) }
                }
            }
            p.quiet { "The last readers by caller and tool. The audit log has every read, with its namespace." }
        }
    }
}

fn reader_row(reader: &Reader) -> Markup {
    let kinds = reader.kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    html! {
        tr {
            td.wide { (Printable(&reader.caller)) }
            td { (Printable(&reader.tool)) }
            td.wide.mono { (Printable(&kinds)) @if reader.has_more_kinds { ", and more" } }
            td.number { (reader.reads) }
            td.number { @if reader.failed == 0 { "0" } @else { span.error { (reader.failed) } } }
            td.number { (timestamp(reader.last)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use super::*;
    use crate::hostile;

    fn reader(caller: &str, tool: &str, kinds: &[&str]) -> Reader {
        Reader {
            caller: caller.to_owned(),
            tool: tool.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect::<BTreeSet<_>>(),
            has_more_kinds: false,
            reads: 7,
            failed: 0,
            last: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn hostile_names_of_a_reader_are_text() {
        let page = readers(&[reader(hostile::TEXT, hostile::TEXT, &[hostile::TEXT])]);
        hostile::assert_text(&page.into_string(), 3);
    }

    #[test]
    fn a_row_names_the_caller_the_tool_the_kinds_and_what_failed() {
        let quiet = reader("system:serviceaccount:shop:dify", "find", &["pods", "deployments.apps"]);
        let failed = Reader { failed: 2, has_more_kinds: true, ..quiet.clone() };
        let row = |middle: &str| {
            format!(
                "<tr><td class=\"wide\">system:serviceaccount:shop:dify</td><td>find</td>\
                 <td class=\"wide mono\">deployments.apps, pods{middle}</td>\
                 <td class=\"number\">1970-01-01 00:00:00</td></tr>"
            )
        };
        let zero = "</td><td class=\"number\">7</td><td class=\"number\">0";
        assert_eq!(reader_row(&quiet).into_string(), row(zero));
        let two =
            ", and more</td><td class=\"number\">7</td><td class=\"number\"><span class=\"error\">2</span>";
        assert_eq!(reader_row(&failed).into_string(), row(two));
    }
}
