//! Changes as text for a model: a line each, the newest first; of too many the most important, and counts of the others.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use porthole_diagnosis::{line, time};

use crate::{
    collect::{Asked, FORBIDDEN, Gap, Seen},
    entry::{Entry, Topic},
    events,
    window::{Window, rfc3339},
};

/// Lines of changes.
const LINES: usize = 20;
/// Bytes of a line.
const LINE: usize = 320;
/// Bytes of all lines; two are about a token's.
const BYTES: usize = 2600;
/// Gaps that are named for one reason.
const GAPS: usize = 6;
/// Bytes of a reason.
const WHY: usize = 160;
/// Kept of what the answer may have for the lines around the changes.
const AROUND: usize = 900;
/// Events older than this are gone in most clusters.
const EVENTS_KEPT: u64 = 3600;

/// The answer.
pub(crate) fn text(
    asked: &Asked,
    seen: &Seen,
    window: Window,
    mut entries: Vec<Entry>,
    max: usize,
) -> String {
    let place = match &asked.namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in all namespaces".to_owned(),
    };
    let about = asked.name.as_ref().map(|name| format!(" about {name}")).unwrap_or_default();
    let span = format!("since {} ({})", rfc3339(window.since), time::age(window.length()));
    let mut lines = Vec::new();
    if entries.is_empty() {
        lines.push(format!("no change seen {place}{about} {span}"));
    } else {
        let (count, s) = (entries.len(), if entries.len() == 1 { "" } else { "s" });
        lines.push(format!("{count} change{s} {place}{about} {span}, newest first"));
    }
    // The most important first, and of each topic the newest; then in order of time.
    entries.sort_by(|a, b| (a.topic, Reverse(a.time), &a.text).cmp(&(b.topic, Reverse(b.time), &b.text)));
    let told: Vec<(u64, String)> = entries
        .iter()
        .map(|entry| (entry.time, line(&format!("{} {}", window.stamp(entry.time), entry.text), LINE)))
        .collect();
    let room = BYTES.min(max.saturating_sub(AROUND));
    let mut bytes = 0_usize;
    let fits = |(_, text): &&(u64, String)| {
        bytes = bytes.saturating_add(text.len()).saturating_add(1);
        bytes <= room
    };
    let mut shown: Vec<&(u64, String)> = told.iter().take(LINES).take_while(fits).collect();
    let folded = entries.get(shown.len()..).unwrap_or_default();
    shown.sort_by_key(|(time, _)| Reverse(*time));
    lines.extend(shown.into_iter().map(|(_, text)| text.clone()));
    if !folded.is_empty() {
        lines.push(format!("not shown: {}; narrow with since, namespace or name", counts(folded)));
    }
    if let Some(reach) = reach_of_events(seen, window) {
        lines.push(reach);
    }
    let gaps = gaps(&seen.gaps);
    if !gaps.is_empty() {
        // Nodes are in no namespace.
        let opens = |gap: &Gap| gap.why == FORBIDDEN && !gap.what.ends_with("nodes");
        let is_closed = asked.namespace.is_none() && seen.gaps.iter().any(opens);
        let hint = if is_closed { "; a namespace that you may read shows its own" } else { "" };
        lines.push(format!("not seen: {gaps}{hint}"));
    }
    if entries.is_empty() {
        lines.push("Secrets and deletions are not looked at; a longer since may find more".to_owned());
    }
    lines.join("\n")
}

/// `7 warnings, 12 changes of configuration`
fn counts(folded: &[Entry]) -> String {
    let mut counts: BTreeMap<Topic, usize> = BTreeMap::new();
    for entry in folded {
        *counts.entry(entry.topic).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(topic, count)| format!("{count} {}", topic.plural()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A line on how far back events reach, if that is less than what was asked for.
fn reach_of_events(seen: &Seen, window: Window) -> Option<String> {
    let oldest = events::oldest(seen)?;
    let is_short = window.length() > EVENTS_KEPT && oldest > window.since;
    is_short.then(|| {
        format!("events reach back to {}: warnings and scalings before are gone", window.stamp(oldest))
    })
}

/// Reads that were not made, by reason.
fn gaps(gaps: &BTreeSet<Gap>) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Gap { what, why } in gaps {
        reasons.entry(why).or_default().push(what);
    }
    let reasons = reasons.iter().map(|(why, what)| {
        let more = what.len().saturating_sub(GAPS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what: Vec<&str> = what.iter().copied().take(GAPS).collect();
        line(&format!("{}{more} ({})", what.join(", "), line(why, WHY)), 2 * LINE)
    });
    reasons.collect::<Vec<_>>().join("; ")
}
