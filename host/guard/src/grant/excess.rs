//! Comparison of two grants: the reads of one that the other does not open.
//!
//! Each read is asked of `Grant::opens`, which also decides when a tool reads: what is implied here can never be a read
//! that the guard would have refused. Only rules are compared, so `*` is implied by `*` alone, and a verb, a group or a
//! resource that is spread over several rules is found.
//!
//! The kinds that an approval names for its `*` are no part of the comparison: what is implied is served, and reads what
//! `Grant::within` leaves of it, also where it names a kind.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use porthole_contract::{ReadRule, Verb, describe_rules};

use super::{ALL, Grant, opens_group, opens_resource};
use crate::read_log::NEVER_MERGED;

/// Combinations of verb, group and resource that are compared one by one. A declaration of a few kilobytes can name
/// millions; a rule beyond this is in excess unless one approved rule contains it whole.
const MAX_COMPARED: usize = 4096;
/// Reads that are named, of the others there is a word.
const MAX_NAMED: usize = 12;
/// Bytes of groups and resources that are named after the first: `/readyz` shows them to anyone.
const MAX_NAMED_BYTES: usize = 384;
/// Groups of the resources that are named first.
const SENSITIVE_GROUPS: [&str; 3] = [ALL, "", "helm.sh"];

/// Reads of a grant that another does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The most sensitive of them first, each of one group and one resource.
    named: Vec<ReadRule>,
    /// True if there are others.
    more: bool,
}

impl Grant {
    /// Reads of `asked` that this grant does not open; `None` if it implies `asked`.
    pub fn excess(&self, asked: &Self) -> Option<Excess> {
        let mut found = Found::default();
        let mut compared = 0usize;
        for rule in &asked.rules {
            if self.rules.iter().any(|own| contains(own, rule)) {
                continue;
            }
            let reads = rule.verbs.len().saturating_mul(rule.api_groups.len());
            compared = compared.saturating_add(reads.saturating_mul(rule.resources.len()));
            if compared > MAX_COMPARED {
                found.add_first(self, rule);
                continue;
            }
            for group in &rule.api_groups {
                for resource in &rule.resources {
                    found.add(group, resource, &self.beyond(rule, group, resource));
                }
            }
        }
        found.name()
    }

    /// Verbs of `rule` by which this grant does not open the resource.
    fn beyond(&self, rule: &ReadRule, group: &str, resource: &str) -> Vec<Verb> {
        rule.verbs.iter().copied().filter(|verb| !self.opens(*verb, group, resource)).collect()
    }
}

/// True if all reads of `rule` are opened by the one rule `own`.
fn contains(own: &ReadRule, rule: &ReadRule) -> bool {
    rule.verbs.iter().all(|verb| own.verbs.contains(verb))
        && rule.api_groups.iter().all(|group| opens_group(own, group))
        && rule.resources.iter().all(|resource| opens_resource(own, resource))
}

impl Excess {
    /// The reads that are named, as rules, the most sensitive first.
    pub fn rules(&self) -> &[ReadRule] {
        &self.named
    }
}

/// Reads in excess, by group and resource, in the order of the declaration.
#[derive(Default)]
struct Found<'r> {
    reads: Vec<(&'r str, &'r str, Vec<Verb>)>,
    /// Positions in `reads`.
    known: HashMap<(&'r str, &'r str), usize>,
    /// True if there are reads that were not compared.
    more: bool,
}

impl<'r> Found<'r> {
    fn add(&mut self, group: &'r str, resource: &'r str, verbs: &[Verb]) {
        if verbs.is_empty() {
            return;
        }
        let at = *self.known.entry((group, resource)).or_insert(self.reads.len());
        if at == self.reads.len() {
            self.reads.push((group, resource, Vec::new()));
        }
        let Some((_, _, known)) = self.reads.get_mut(at) else { return };
        for verb in verbs {
            if !known.contains(verb) {
                known.push(*verb);
            }
        }
    }

    /// Adds the sensitive reads of a rule that is too large to be compared, or else its first.
    fn add_first(&mut self, grant: &Grant, rule: &'r ReadRule) {
        self.more = true;
        let mut none = true;
        let groups = rule.api_groups.iter().filter(|group| SENSITIVE_GROUPS.contains(&group.as_str()));
        let groups = groups.collect::<BTreeSet<_>>();
        let resources: BTreeSet<_> = rule.resources.iter().collect();
        for group in groups {
            for resource in resources.iter().filter(|resource| is_sensitive(group, resource)) {
                let beyond = grant.beyond(rule, group, resource);
                none &= beyond.is_empty();
                self.add(group, resource, &beyond);
            }
        }
        if let Some((group, resource)) = rule.api_groups.first().zip(rule.resources.first()).filter(|_| none)
        {
            self.add(group, resource, &rule.verbs);
        }
    }

    /// The excess, the most sensitive reads first. The attack: the author of a tool declares a dozen harmless reads before
    /// `secrets`, and the operator is shown a dozen.
    fn name(mut self) -> Option<Excess> {
        self.reads.sort_by_key(|(group, resource, _)| rank(group, resource));
        let (mut named, mut bytes, mut more) = (Vec::new(), 0usize, self.more);
        for (group, resource, verbs) in self.reads {
            bytes = bytes.saturating_add(group.len()).saturating_add(resource.len());
            if !named.is_empty() && (named.len() >= MAX_NAMED || bytes > MAX_NAMED_BYTES) {
                more = true;
                break;
            }
            named.push(ReadRule {
                api_groups: vec![group.to_owned()],
                resources: vec![resource.to_owned()],
                verbs,
            });
        }
        (!named.is_empty()).then_some(Excess { named, more })
    }
}

/// Rank of a read among those that are named: all kinds of a group, then the others that are sensitive, then the rest.
fn rank(group: &str, resource: &str) -> usize {
    let is_named = |name: &str| {
        let (plural, of) = name.split_once('.').unwrap_or((name, ""));
        resource == plural && (group == of || group == ALL)
    };
    match resource {
        ALL if SENSITIVE_GROUPS.contains(&group) => 0,
        _ => NEVER_MERGED
            .iter()
            .position(|name| is_named(name))
            .unwrap_or(NEVER_MERGED.len())
            .saturating_add(1),
    }
}

fn is_sensitive(group: &str, resource: &str) -> bool {
    rank(group, resource) <= NEVER_MERGED.len()
}

/// Displays as `get secrets; list pods.metrics.k8s.io and more`.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe_rules(&self.named))?;
        if self.more { f.write_str(" and more") } else { Ok(()) }
    }
}
