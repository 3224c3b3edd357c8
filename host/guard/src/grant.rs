//! Grant of a tool: the reads that it declared.

mod excess;
mod named_kinds;

pub use excess::Excess;
pub use named_kinds::NamedKinds;

use std::sync::Arc;

use porthole_contract::{Failure, ReadRule, Reason, Verb};

/// Stands for all groups, or for all resources.
const ALL: &str = "*";

/// All reads that one tool may make. The caller's own RBAC narrows it further; nothing widens it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    rules: Vec<ReadRule>,
    /// Kinds for which `*` stands; `None` for all of them.
    kinds: Option<Arc<NamedKinds>>,
}

impl Grant {
    /// Creates a grant from these rules.
    pub fn new(rules: Vec<ReadRule>) -> Self {
        Self { rules, kinds: None }
    }

    /// These rules with a `*` that stands for `kinds`. What a rule names itself stays open.
    #[must_use]
    pub fn within(&self, kinds: Arc<NamedKinds>) -> Self {
        Self { rules: self.rules.clone(), kinds: Some(kinds) }
    }

    /// True if a rule asks for all groups, or for all resources.
    pub fn is_wide(&self) -> bool {
        self.rules.iter().any(|rule| names(&rule.api_groups, ALL) || names(&rule.resources, ALL))
    }

    /// Kinds for which `*` stands, if an approval names them.
    pub fn kinds(&self) -> Option<&NamedKinds> {
        self.kinds.as_deref()
    }

    /// The declared rules.
    pub fn rules(&self) -> &[ReadRule] {
        &self.rules
    }

    /// True if a rule opens this read. `*` as group or resource asks for all of them, or for the kinds that an approval
    /// names. `nodes/proxy` opens the kubelet, so `*` never covers it.
    pub(crate) fn opens(&self, verb: Verb, group: &str, resource: &str) -> bool {
        let is_named_kind = || self.kinds.as_ref().is_none_or(|kinds| kinds.names_kind(group, resource));
        self.declares(verb, group, resource, is_named_kind)
    }

    /// True if a rule declares this read by name, or by a `*` that covers it.
    fn declares(&self, verb: Verb, group: &str, resource: &str, is_covered: impl Fn() -> bool) -> bool {
        self.rules.iter().any(|rule| {
            let is_declared =
                rule.verbs.contains(&verb) && opens_group(rule, group) && opens_resource(rule, resource);
            let is_by_name = || names(&rule.api_groups, group) && names(&rule.resources, resource);
            is_declared && (is_by_name() || is_covered())
        })
    }

    /// Rejects an undeclared read.
    pub(super) fn check(&self, verb: Verb, group: &str, resource: &str) -> Result<(), Failure> {
        if self.opens(verb, group, resource) {
            return Ok(());
        }
        let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
        if self.declares(verb, group, resource, || true) {
            return Err(Failure::new(
                Reason::NotGranted,
                format!(
                    "not granted: this tool may read any kind that was there when an operator approved it, and {resource}{of} is not one of those. An operator adds it with `porthole plugin approve FILE --kinds`."
                ),
            ));
        }
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
    fn a_star_stands_for_the_kinds_that_an_approval_names_and_a_name_for_itself() {
        let mut rules = grant(&["*"], &["*"], &[Verb::List]).rules;
        rules.extend(grant(&["example.com"], &["widgets"], &[Verb::List]).rules);
        rules.extend(grant(&["*"], &["gadgets"], &[Verb::List]).rules);
        let all = Grant::new(rules);
        let kinds = NamedKinds::parse(["pods", "nodes", "deployments.apps"]).unwrap();
        let bound = all.within(Arc::new(kinds));
        for (group, resource, is_open) in [
            ("", "pods", true),
            ("", "pods/log", true),
            ("apps", "deployments", true),
            ("example.com", "widgets", true),
            ("", "deployments", false),
            ("apps", "pods", false),
            ("", "secrets", false),
            ("example.com", "gadgets", false),
            ("", "nodes/proxy", false),
        ] {
            assert_eq!(bound.check(Verb::List, group, resource).is_ok(), is_open, "{group} {resource}");
            assert!(bound.check(Verb::Get, group, resource).is_err(), "{group} {resource}");
        }
        let told = |resource| bound.check(Verb::List, "", resource).unwrap_err().message;
        assert!(told("secrets").contains("--kinds"), "{}", told("secrets"));
        assert!(told("nodes/proxy").contains("does not declare"), "{}", told("nodes/proxy"));
        assert!(all.is_wide() && !grant(&[""], &["pods"], &[Verb::Get]).is_wide());
    }

    #[test]
    fn a_star_is_not_the_kubelet() {
        let all = grant(&["*"], &["*"], &[Verb::Get, Verb::List]);
        assert!(all.check(Verb::Get, "apps", "deployments").is_ok());
        assert!(all.check(Verb::Get, "", "nodes/proxy").is_err());
        assert!(grant(&[""], &["nodes/proxy"], &[Verb::Get]).check(Verb::Get, "", "nodes/proxy").is_ok());
    }
}
