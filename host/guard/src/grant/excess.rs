//! Comparison of two grants: the reads of one that the other does not open.
//!
//! Each read is asked of `Grant::opens`, which also decides when a tool reads: what is implied here can never be a read
//! that the guard would have refused. Only rules are compared, so `*` is implied by `*` alone, and a verb, a group or a
//! resource that is spread over several rules is found.

#[cfg(test)]
mod tests;

use std::fmt;

use porthole_contract::{ReadRule, describe_rules};

use super::{Grant, opens_group, opens_resource};

/// Combinations of verb, group and resource that are compared one by one. A declaration of a few kilobytes can name
/// millions; a rule beyond this is in excess unless one approved rule contains it whole.
const MAX_COMPARED: usize = 4096;
/// Reads that are named, of the others there is a word.
const MAX_NAMED: usize = 12;
/// Bytes of groups and resources that are named after the first: `/readyz` shows them to anyone.
const MAX_NAMED_BYTES: usize = 384;

/// Reads of a grant that another does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The first of them, each of one group and one resource.
    named: Vec<ReadRule>,
    /// True if there are others.
    more: bool,
}

impl Grant {
    /// Reads of `asked` that this grant does not open; `None` if it implies `asked`.
    pub fn excess(&self, asked: &Self) -> Option<Excess> {
        let mut excess = Excess { named: Vec::new(), more: false };
        let mut compared = 0usize;
        for rule in &asked.rules {
            if self.rules.iter().any(|own| contains(own, rule)) {
                continue;
            }
            let reads = rule.verbs.len().saturating_mul(rule.api_groups.len());
            compared = compared.saturating_add(reads.saturating_mul(rule.resources.len()));
            if compared > MAX_COMPARED {
                excess.name_first(rule);
                continue;
            }
            for group in &rule.api_groups {
                for resource in &rule.resources {
                    let beyond =
                        rule.verbs.iter().copied().filter(|verb| !self.opens(*verb, group, resource));
                    let verbs: Vec<_> = beyond.collect();
                    if !verbs.is_empty() {
                        excess.name(ReadRule {
                            api_groups: vec![group.clone()],
                            resources: vec![resource.clone()],
                            verbs,
                        });
                    }
                }
            }
        }
        (!excess.named.is_empty()).then_some(excess)
    }
}

/// True if all reads of `rule` are opened by the one rule `own`.
fn contains(own: &ReadRule, rule: &ReadRule) -> bool {
    rule.verbs.iter().all(|verb| own.verbs.contains(verb))
        && rule.api_groups.iter().all(|group| opens_group(own, group))
        && rule.resources.iter().all(|resource| opens_resource(own, resource))
}

impl Excess {
    /// The reads that are named, as rules.
    pub fn rules(&self) -> &[ReadRule] {
        &self.named
    }

    fn name(&mut self, rule: ReadRule) {
        if self.named.contains(&rule) {
            return;
        }
        let named =
            self.named.iter().chain([&rule]).flat_map(|rule| rule.api_groups.iter().chain(&rule.resources));
        let bytes = named.map(String::len).sum::<usize>();
        if self.named.is_empty() || (self.named.len() < MAX_NAMED && bytes <= MAX_NAMED_BYTES) {
            self.named.push(rule);
        } else {
            self.more = true;
        }
    }

    /// Names the first read of a rule that is too large to be compared.
    fn name_first(&mut self, rule: &ReadRule) {
        self.name(ReadRule {
            api_groups: rule.api_groups.iter().take(1).cloned().collect(),
            resources: rule.resources.iter().take(1).cloned().collect(),
            verbs: rule.verbs.clone(),
        });
        self.more = true;
    }
}

/// Displays as `get secrets; list pods.metrics.k8s.io and more`.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe_rules(&self.named))?;
        if self.more { f.write_str(" and more") } else { Ok(()) }
    }
}
