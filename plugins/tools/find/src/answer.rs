//! The answer of a search: rows, and a line on what was searched.

use porthole_sdk::prelude::*;

use crate::search::{Coverage, Found};

/// Kept of the answer for the line on what was searched.
const NOTICE: usize = 900;

/// The answer for a word as the caller wrote it, of at most `max` bytes, after a search of `kinds` kinds.
pub(crate) fn text(found: &Found, query: &str, kinds: usize, max: usize) -> String {
    let Found { matches, total, is_by_name, alike, coverage } = found;
    let mut text = String::new();
    if matches.is_empty() {
        text.push_str(&format!(
            "nothing has {query:?} in its name, labels, annotations, IPs, hosts or images\n"
        ));
        if !alike.is_empty() {
            text.push_str(&format!("names like it: {}\n", alike.join(", ")));
        }
    } else {
        let mut table = Table::new(["KIND", "NAMESPACE", "NAME", "STATUS", "FOUND-IN"]);
        matches.iter().for_each(|found| table.row(found.cells()));
        let (rows, shown) = table.fit(max.saturating_sub(NOTICE));
        text.push_str(&rows);
        if shown < *total {
            text.push_str(&format!("shown {shown} of {total}; a longer query or a kind narrows it\n"));
        }
    }
    let by_name = if *is_by_name { " by name" } else { "" };
    text.push_str(&format!("searched {} of {kinds} kinds{by_name}", kinds - coverage.unread.len()));
    text.push_str(&gaps(coverage));
    if matches.iter().any(|found| found.without_namespace().is_some()) {
        text.push_str("; ?: a namespace that could not be read, give the kind");
    }
    if matches.is_empty() {
        text.push_str("; of pods only name, IP and node; resources_list reads any other kind");
    }
    text
}

/// The kinds that could not be read, with the reasons.
pub(crate) fn unread(coverage: &Coverage) -> String {
    let unread = coverage.unread.iter().map(|(kind, reason)| format!("{kind} ({reason})"));
    unread.collect::<Vec<_>>().join(", ")
}

/// Kinds that were not searched, with a way on.
fn gaps(coverage: &Coverage) -> String {
    let Coverage { unread: none, partly, shallow, namespaces } = coverage;
    let mut text = String::new();
    if !namespaces.is_empty() {
        let read: Vec<&str> = namespaces.iter().map(String::as_str).collect();
        text.push_str(&format!("; this account may not list all namespaces: only {}", read.join(", ")));
    }
    if !none.is_empty() {
        text.push_str(&format!("; not: {}", unread(coverage)));
    }
    if !partly.is_empty() {
        let read = partly.iter().map(|(kind, count)| format!("{kind} (its first {count})"));
        text.push_str(&format!("; in part: {}: give a namespace", read.collect::<Vec<_>>().join(", ")));
    }
    if !shallow.is_empty() {
        let left = shallow.iter().map(|(kind, count)| format!("{kind} ({count})"));
        text.push_str(&format!(
            "; too many to search their labels and annotations: {}: give a namespace",
            left.collect::<Vec<_>>().join(", ")
        ));
    }
    text
}
