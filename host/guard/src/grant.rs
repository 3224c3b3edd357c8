//! Grant of a tool: the reads that it declared.

mod excess;

pub use excess::Excess;

use porthole_contract::{Failure, ReadRule, Reason, Verb};

/// Stands for all groups, or for all resources.
const ALL: &str = "*";

/// All reads that one tool may make. The caller's own RBAC narrows it further; nothing widens it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    rules: Vec<ReadRule>,
}

impl Grant {
    /// Creates a grant from these rules.
    pub fn new(rules: Vec<ReadRule>) -> Self {
        Self { rules }
    }

    /// The declared rules.
    pub fn rules(&self) -> &[ReadRule] {
        &self.rules
    }

    /// True if a rule opens this read. `*` as group or resource asks for all of them. `nodes/proxy` opens the kubelet, so
    /// `*` never covers it.
    pub(crate) fn opens(&self, verb: Verb, group: &str, resource: &str) -> bool {
        self.rules.iter().any(|rule| {
            rule.verbs.contains(&verb) && opens_group(rule, group) && opens_resource(rule, resource)
        })
    }

    /// Rejects an undeclared read.
    pub(super) fn check(&self, verb: Verb, group: &str, resource: &str) -> Result<(), Failure> {
        let declared = self.opens(verb, group, resource);
        if declared {
            return Ok(());
        }
        let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
        let declares = if self.rules.is_empty() {
            "nothing".to_owned()
        } else {
            self.rules.iter().map(|rule| rule.resources.join(", ")).collect::<Vec<_>>().join("; ")
        };
        Err(Failure::new(
            Reason::NotGranted,
            format!(
                "not granted: this tool does not declare that it reads (verb {}) {resource}{of}; it declares {declares}. Its author must add it.",
                verb.name()
            ),
        ))
    }
}

fn opens_group(rule: &ReadRule, group: &str) -> bool {
    names(&rule.api_groups, group) || names(&rule.api_groups, ALL)
}

fn opens_resource(rule: &ReadRule, resource: &str) -> bool {
    names(&rule.resources, resource) || (names(&rule.resources, ALL) && resource != "nodes/proxy")
}

fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|item| item == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(groups: &[&str], resources: &[&str], verbs: &[Verb]) -> Grant {
        let own = |list: &[&str]| list.iter().map(|text| text.to_string()).collect();
        Grant::new(vec![ReadRule {
            api_groups: own(groups),
            resources: own(resources),
            verbs: verbs.to_vec(),
        }])
    }

    #[test]
    fn only_what_a_rule_names_is_granted() {
        let pods = grant(&[""], &["pods"], &[Verb::List]);
        assert!(pods.check(Verb::List, "", "pods").is_ok());
        for (verb, group, resource) in [
            (Verb::Get, "", "pods"),
            (Verb::List, "", "pods/log"),
            (Verb::List, "", "secrets"),
            (Verb::List, "metrics.k8s.io", "pods"),
        ] {
            assert_eq!(
                pods.check(verb, group, resource).unwrap_err().reason,
                Reason::NotGranted,
                "{group} {resource}"
            );
        }
        assert!(Grant::default().check(Verb::Get, "", "pods").is_err());
    }

    #[test]
    fn a_star_is_not_the_kubelet() {
        let all = grant(&["*"], &["*"], &[Verb::Get, Verb::List]);
        assert!(all.check(Verb::Get, "apps", "deployments").is_ok());
        assert!(all.check(Verb::Get, "", "nodes/proxy").is_err());
        assert!(grant(&[""], &["nodes/proxy"], &[Verb::Get]).check(Verb::Get, "", "nodes/proxy").is_ok());
    }
}
