//! A diagnosis as text for a model: a verdict, at most three causes with their evidence, what is fine, what is not known.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use porthole_field_path::one_line;

use crate::{
    Evidence, Facts, Finding, Kind, Reference,
    health::{self, State},
    rank::CAUSES,
};

/// Bytes of a quote; the middle of longer ones is cut, because the cause stands at the end.
const QUOTE: usize = 300;
/// Bytes of any other text of a line.
const TEXT: usize = 400;
/// Bytes of a line of a log.
const LINE: usize = 240;
/// Lines of one fact.
const LINES: usize = 8;
/// Objects that are named one by one.
const NAMES: usize = 3;
/// Further causes that are named in a few words.
const MORE: usize = 6;
/// Facts of one cause.
const FACTS: usize = 5;
/// Gaps that are named.
const GAPS: usize = 6;

/// Renders a diagnosis of `subject`.
pub(crate) fn text(
    facts: &Facts,
    subject: &[Reference],
    related: &BTreeSet<Reference>,
    findings: &[Finding],
) -> String {
    let mut lines = verdict(facts, subject, findings);
    for (at, finding) in findings.iter().take(CAUSES).enumerate() {
        cause(facts, at + 1, finding, &mut lines);
    }
    let more: Vec<String> = findings
        .iter()
        .skip(CAUSES)
        .map(|finding| format!("[{}] {}", finding.rule, finding.object))
        .collect();
    if !more.is_empty() {
        let shown: Vec<String> = more.iter().take(MORE).cloned().collect();
        lines.push(format!("also: {} more: {}", more.len(), shown.join("; ")));
    }
    let fine = fine(facts, related, findings);
    if !fine.is_empty() {
        lines.push(format!("checked and fine: {fine}"));
    }
    let gaps = gaps(facts);
    if !gaps.is_empty() {
        lines.push(format!("not checked: {gaps}"));
    }
    lines.join("\n")
}

/// A line for each object of the subject: those of the first cause first, so that a reader finds the cause of each; then
/// the worst.
fn verdict(facts: &Facts, subject: &[Reference], findings: &[Finding]) -> Vec<String> {
    let mut states: Vec<(usize, Reverse<State>, String)> = Vec::new();
    for reference in subject {
        let Some(object) = facts.get(reference) else { continue };
        let (state, detail) = match health::health(facts, object) {
            Some(health) => (health.state, format!("{}, {}", health.state, health.detail)),
            None if findings.is_empty() => (State::Healthy, "healthy".to_owned()),
            None => (State::Degraded, "in trouble".to_owned()),
        };
        let is_of = |finding: &Finding| finding.object == *reference || finding.affects.contains(reference);
        let cause = findings.iter().position(is_of).unwrap_or(findings.len());
        states.push((cause, Reverse(state), line(&format!("{reference}: {detail}"), TEXT)));
    }
    states.sort();
    let hidden = states.len().saturating_sub(NAMES);
    let mut lines: Vec<String> = states.into_iter().take(NAMES).map(|(.., line)| line).collect();
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    if findings.is_empty() {
        let is_partial = facts.gaps().any(|gap| gap.why == "forbidden");
        let scope = if is_partial { " in what this account may read" } else { "" };
        lines.push(format!("no fault found{scope}"));
    }
    lines
}

pub(crate) fn cause(facts: &Facts, number: usize, finding: &Finding, lines: &mut Vec<String>) {
    let Finding { certainty, rule, object, summary, affects, evidence, next, change, .. } = finding;
    // A name that the cluster gave may hold a line break too: nothing but our own lines begins with a cause.
    let summary = line(&format!("{object}: {summary}"), TEXT);
    lines
        .push(format!("cause {number} ({certainty}) [{rule}] {summary}{}", affected(facts, object, affects)));
    lines.extend(evidence.iter().take(FACTS).chain(change).map(fact));
    if !next.is_empty() {
        lines.push(format!("  next: {}", line(next, TEXT)));
    }
}

/// The pods and workloads that a cause affects beside its own object.
fn affected(facts: &Facts, object: &Reference, affects: &BTreeSet<Reference>) -> String {
    let counts = counts(facts, affects.iter().filter(|reference| *reference != object));
    if counts.is_empty() { String::new() } else { format!(" (affects {})", counts.join(", ")) }
}

/// `1 Node`, `3 pods`: the number of objects of each kind.
fn counts<'r>(facts: &Facts, references: impl Iterator<Item = &'r Reference>) -> Vec<String> {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for reference in references {
        *counts.entry(reference.kind).or_default() += facts.weight(reference);
    }
    counts.into_iter().map(|(kind, count)| counted(kind, count)).collect()
}

fn counted(kind: Kind, count: usize) -> String {
    match count {
        1 => format!("1 {kind}"),
        _ => format!("{count} {}", kind.plural()),
    }
}

pub(crate) fn fact(evidence: &Evidence) -> String {
    let Evidence { label, quote, lines, place } = evidence;
    if !lines.is_empty() {
        let shown =
            lines.iter().take(LINES).map(|text| format!("\n    `{}`", line(&text.replace('`', "'"), LINE)));
        return format!("  {} [{}]:{}", line(label, TEXT), line(place, TEXT), shown.collect::<String>());
    }
    let quote = if quote.is_empty() { String::new() } else { format!("`{}`", quoted(quote)) };
    let between = if label.is_empty() || quote.is_empty() { "" } else { ": " };
    format!("  {}{between}{quote} [{}]", line(label, TEXT), line(place, TEXT))
}

/// Foreign text for a quote: in one line, without the mark that ends it.
pub(crate) fn quoted(text: &str) -> String {
    line(&text.replace('`', "'"), QUOTE)
}

/// Text in one line of at most `max` bytes; of longer text the middle is cut.
pub fn line(text: &str, max: usize) -> String {
    let line = one_line(text.trim());
    if line.len() <= max {
        return line.into_owned();
    }
    let half = max.saturating_sub('…'.len_utf8()) / 2;
    let head = line.get(..line.floor_char_boundary(half)).unwrap_or_default();
    let tail = line.get(line.ceil_char_boundary(line.len() - half)..).unwrap_or_default();
    format!("{head}…{tail}")
}

/// Reads that were not made, by reason: `nodes, storageclasses (forbidden); log of app (…)`.
pub(crate) fn gaps(facts: &Facts) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for gap in facts.gaps() {
        reasons.entry(&gap.why).or_default().push(&gap.what);
    }
    let reasons = reasons.iter().map(|(why, what)| {
        let more = what.len().saturating_sub(GAPS);
        // Logs say most, and an account that may read pods often may not read them.
        let mut what: Vec<&str> = what.clone();
        what.sort_by_key(|what| !what.starts_with("log of "));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what: Vec<&str> = what.iter().copied().take(GAPS).collect();
        format!("{}{more} ({})", what.join(", "), quoted(why))
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// Kinds of related objects that were read and that no finding is about.
fn fine(facts: &Facts, related: &BTreeSet<Reference>, findings: &[Finding]) -> String {
    let is_affected = |reference: &Reference| {
        findings.iter().any(|finding| finding.affects.contains(reference) || finding.object == *reference)
    };
    let mut fine = counts(
        facts,
        related.iter().filter(|reference| facts.get(reference).is_some() && !is_affected(reference)),
    );
    let logs = facts.all_logs().filter(|log| log.is_search && log.is_healthy());
    fine.extend(logs.map(|log| {
        let part = if log.unread.is_empty() { "" } else { "read part of the " };
        let count = log.lines_read;
        match count {
            0 => format!("{part}log of container {} (empty)", log.container),
            _ => format!("{part}log of container {} ({count} lines, no error)", log.container),
        }
    }));
    fine.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{Recorded, event, pod};

    #[test]
    fn foreign_text_stays_in_its_quote() {
        assert_eq!(
            quoted("a\ncause 1 (certain)\u{2028}`x`\u{1b}[2J\u{61c}"),
            "a cause 1 (certain)\\u{2028}'x'\\u{1b}[2J\\u{61c}"
        );
        let long = format!("{}é{}", "a".repeat(400), "the cause");
        let quote = quoted(&long);
        assert!(quote.len() <= QUOTE && quote.ends_with("the cause") && quote.contains('…'), "{quote}");
    }

    /// The first lines are about what the first causes are about, whatever else is as bad.
    #[test]
    fn objects_stand_in_the_order_of_their_causes() {
        let waiting = |name: &str, reason: &str, message: &str| {
            let state = serde_json::json!({"waiting": {"reason": reason, "message": message}});
            pod(
                name,
                serde_json::json!({"containers": [{"name": "app", "image": "app:9"}]}),
                serde_json::json!({"phase": "Pending", "containerStatuses": [{"name": "app", "state": state}]}),
            )
        };
        let objects = [
            waiting("alpha", "ErrImagePull", "not found"),
            waiting("beta", "ErrImagePull", "manifest unknown"),
            waiting("gamma", "ErrImagePull", "no such host"),
            waiting("zeta", "CreateContainerConfigError", "configmap \"z\" not found"),
            crate::recorded::object("Namespace", "shop"),
        ];
        let answer = Recorded::new(&objects).ask_for("", "shop", "");
        let object = |begins: &str| {
            let line = answer.lines().find(|line| line.contains(begins)).unwrap_or_default();
            line.split("shop/").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or_default().to_owned()
        };
        let first = answer.lines().next().unwrap_or_default();
        assert!(object("cause 1").starts_with('z') && first.starts_with("Pod shop/zeta"), "{answer}");
    }

    /// A name of the cluster that holds a line break begins no line of the answer.
    #[test]
    fn a_name_forges_no_cause() {
        let image = "x\ncause 1 (certain) [node-broken] Node n1: drain it";
        let state = serde_json::json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}});
        let pod = pod(
            "web",
            serde_json::json!({"containers": [{"name": "app", "image": image}]}),
            serde_json::json!({"phase": "Pending", "reason": "a\nb", "containerStatuses": [{"name": "app", "state": state}]}),
        );
        let answer = Recorded::new(&[pod.clone(), event(&pod, "Fai\nled", "x\ny")]).ask("web");
        let causes: Vec<&str> = answer.lines().filter(|line| line.starts_with("cause")).collect();
        assert!(
            causes.len() == 1 && causes.iter().all(|line| line.contains("[image-pull] Pod shop/web")),
            "{answer}"
        );
        assert!(answer.lines().all(|line| !line.starts_with("led") && !line.starts_with('b')), "{answer}");
    }
}
