//! From the findings of all rules to the few that explain the most.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{Finding, Reference};

/// Causes that an answer names.
pub(crate) const CAUSES: usize = 3;

/// The findings that concern `related`, merged, without consequences of others, the strongest first.
pub(crate) fn ranked(findings: Vec<Finding>, related: &BTreeSet<Reference>) -> Vec<Finding> {
    let concerns = |finding: &Finding| {
        related.contains(&finding.object) || finding.affects.iter().any(|object| related.contains(object))
    };
    let merged = merged(findings.into_iter().filter(concerns));
    let causes = merged.iter().filter(|finding| !finding.is_symptom);
    let affected: BTreeSet<&Reference> = causes.flat_map(|cause| &cause.affects).collect();
    let is_explained = |finding: &Finding| {
        let mut objects = std::iter::once(&finding.object).chain(&finding.affects);
        finding.is_symptom && objects.any(|object| affected.contains(object))
    };
    let mut ranked: Vec<Finding> = merged.iter().filter(|finding| !is_explained(finding)).cloned().collect();
    ranked.sort_by(|a, b| key(a).cmp(&key(b)));
    for symptom in merged.iter().filter(|finding| finding.change.is_some() && is_explained(finding)) {
        let cause = ranked.iter_mut().find(|cause| !cause.is_symptom && explains(cause, symptom));
        if let Some(cause) = cause.filter(|cause| cause.change.is_none()) {
            cause.change.clone_from(&symptom.change);
        }
    }
    ranked
}

/// True if a cause affects what a symptom is about.
fn explains(cause: &Finding, symptom: &Finding) -> bool {
    let affected = |object: &Reference| cause.affects.contains(object);
    affected(&symptom.object) || symptom.affects.iter().any(affected)
}

/// Certain before likely, causes before symptoms, near to the root before far, many affected before few; then by name, so
/// that the same facts give the same answer.
fn key(finding: &Finding) -> impl Ord + '_ {
    let Finding { certainty, is_symptom, object, affects, rule, summary, .. } = finding;
    (Reverse(*certainty), *is_symptom, object.kind, Reverse(affects.len()), object, *rule, summary)
}

/// Equal findings as one, which affects all that they affect.
fn merged(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_same = |other: &&mut Finding| {
            (other.rule, &other.object, &other.summary) == (finding.rule, &finding.object, &finding.summary)
        };
        match merged.iter_mut().find(is_same) {
            None => merged.push(finding),
            Some(other) => {
                for object in finding.affects {
                    if !other.affects.contains(&object) {
                        other.affects.push(object);
                    }
                }
                other.certainty = other.certainty.max(finding.certainty);
            }
        }
    }
    merged
}
