//! A diagnosis as text for a model: a verdict, at most three causes with their evidence, what is fine, what is not known.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Evidence, Facts, Finding, Kind, Reference,
    health::{self, State},
    rank::CAUSES,
};

/// Bytes of a quote; the middle of longer ones is cut, because the cause stands at the end.
const QUOTE: usize = 300;
/// Objects that are named one by one.
const NAMES: usize = 3;
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
        cause(at + 1, finding, &mut lines);
    }
    let more: Vec<String> = findings
        .iter()
        .skip(CAUSES)
        .map(|finding| format!("[{}] {}", finding.rule, finding.object))
        .collect();
    if !more.is_empty() {
        let shown: Vec<String> = more.iter().take(NAMES).cloned().collect();
        lines.push(format!("also: {} more: {}", more.len(), shown.join("; ")));
    }
    let fine = fine(facts, related, findings);
    if !fine.is_empty() {
        lines.push(format!("checked and fine: {fine}"));
    }
    let gaps: Vec<String> = facts.gaps().map(|gap| format!("{} ({})", gap.what, quoted(&gap.why))).collect();
    if !gaps.is_empty() {
        let more = gaps.len().saturating_sub(GAPS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let shown: Vec<String> = gaps.into_iter().take(GAPS).collect();
        lines.push(format!("not checked: {}{more}", shown.join("; ")));
    }
    lines.join("\n")
}

/// A line for each object of the subject, the worst first.
fn verdict(facts: &Facts, subject: &[Reference], findings: &[Finding]) -> Vec<String> {
    let mut states: Vec<(State, String)> = Vec::new();
    for reference in subject {
        let Some(object) = facts.get(reference) else { continue };
        let (state, detail) = match health::health(facts, object) {
            Some(health) => (health.state, format!("{}, {}", health.state, health.detail)),
            None if findings.is_empty() => (State::Healthy, "healthy".to_owned()),
            None => (State::Degraded, "in trouble".to_owned()),
        };
        states.push((state, format!("{reference}: {detail}")));
    }
    states.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let hidden = states.len().saturating_sub(NAMES);
    let mut lines: Vec<String> = states.into_iter().take(NAMES).map(|(_, line)| line).collect();
    if hidden > 0 {
        lines.push(format!("and {hidden} more of that name"));
    }
    if findings.is_empty() {
        lines.push("no fault found".to_owned());
    }
    lines
}

fn cause(number: usize, finding: &Finding, lines: &mut Vec<String>) {
    let Finding { certainty, rule, object, summary, affects, evidence, next, change, .. } = finding;
    let affected = affected(object, affects);
    lines.push(plain(&format!("cause {number} ({certainty}) [{rule}] {object}: {summary}{affected}")));
    let shown = evidence.iter().take(FACTS).chain(change);
    lines.extend(shown.map(|evidence| {
        let (label, place) = (plain(&evidence.label), plain(&evidence.place));
        fact(&Evidence { label, place, ..evidence.clone() })
    }));
    if !next.is_empty() {
        lines.push(plain(&format!("  next: {next}")));
    }
}

/// The pods and workloads that a cause affects beside its own object.
fn affected(object: &Reference, affects: &[Reference]) -> String {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for reference in affects.iter().filter(|reference| *reference != object) {
        *counts.entry(reference.kind).or_default() += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(kind, count)| counted(kind, count)).collect();
    if counts.is_empty() { String::new() } else { format!(" (affects {})", counts.join(", ")) }
}

fn counted(kind: Kind, count: usize) -> String {
    match count {
        1 => format!("1 {kind}"),
        _ => format!("{count} {}", kind.plural()),
    }
}

fn fact(evidence: &Evidence) -> String {
    let Evidence { label, quote, place } = evidence;
    let quote = if quote.is_empty() { String::new() } else { format!("`{}`", quoted(quote)) };
    let between = if label.is_empty() || quote.is_empty() { "" } else { ": " };
    format!("  {label}{between}{quote} [{place}]")
}

/// Foreign text in one line, without the mark that ends a quote, its middle cut if it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut line = String::new();
    for letter in text.trim().chars() {
        match letter {
            '`' => line.push('\''),
            // Line breaks, escapes, and marks that reorder what is shown.
            _ if letter.is_control() || is_format(letter) => line.push(' '),
            _ => line.push(letter),
        }
    }
    if line.len() <= QUOTE {
        return line;
    }
    let half = (QUOTE - '…'.len_utf8()) / 2;
    let head = line.get(..line.floor_char_boundary(half)).unwrap_or_default();
    let tail = line.get(line.ceil_char_boundary(line.len() - half)..).unwrap_or_default();
    format!("{head}…{tail}")
}

/// Text in one line and without the mark of a quote: the API server does not check all names strictly.
fn plain(text: &str) -> String {
    let plain = |letter: char| match letter {
        '`' => '\'',
        _ if letter.is_control() || is_format(letter) => ' ',
        _ => letter,
    };
    text.chars().map(plain).collect()
}

/// Separators of lines and marks of direction, which are no control characters.
fn is_format(letter: char) -> bool {
    matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Kinds of related objects that were read and that no finding is about.
fn fine(facts: &Facts, related: &BTreeSet<Reference>, findings: &[Finding]) -> String {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for reference in related.iter().filter(|reference| facts.get(reference).is_some()) {
        let is_affected =
            |finding: &Finding| finding.affects.contains(reference) || finding.object == *reference;
        if !findings.iter().any(is_affected) {
            *counts.entry(reference.kind).or_default() += 1;
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(kind, count)| counted(kind, count)).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_quote() {
        assert_eq!(quoted("a\ncause 1 (certain)\u{2028}`x`\u{1b}[2J"), "a cause 1 (certain) 'x' [2J");
        let long = format!("{}é{}", "a".repeat(400), "the cause");
        let quote = quoted(&long);
        assert!(quote.len() <= QUOTE && quote.ends_with("the cause") && quote.contains('…'), "{quote}");
    }
}
