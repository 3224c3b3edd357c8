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
    /// Approvals of which one must open a read, too; `None` if none of them names kinds.
    approved: Option<Arc<[ApprovedReads]>>,
}

/// Reads of one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedReads {
    /// Reads that were approved.
    pub reads: Arc<Grant>,
    /// Kinds for which `*` stands in them; `None` for any.
    pub kinds: Option<Arc<NamedKinds>>,
}

impl Grant {
    /// Creates a grant from these rules.
    pub fn new(rules: Vec<ReadRule>) -> Self {
        Self { rules, approved: None }
    }

    /// These rules within what was approved: each read must be open to one of the approvals as well. A tool that names a
    /// kind itself has no approval of it by that.
    #[must_use]
    pub fn within(&self, approved: Arc<[ApprovedReads]>) -> Self {
        Self { rules: self.rules.clone(), approved: Some(approved) }
    }

    /// True if a rule has `*` for its group or its resource.
    pub fn has_star(&self) -> bool {
        self.rules.iter().any(|rule| names(&rule.api_groups, ALL) || names(&rule.resources, ALL))
    }

    /// Number of kinds for which `*` stands in the approvals; `None` for any.
    pub fn named_kinds(&self) -> Option<usize> {
        let mut all = NamedKinds::default();
        for approved in self.approved.as_deref()?.iter().filter(|approved| approved.reads.has_star()) {
            all = all.union(approved.kinds.as_deref()?);
        }
        Some(all.count())
    }

    /// The declared rules.
    pub fn rules(&self) -> &[ReadRule] {
        &self.rules
    }

    /// Reads that are declared by name and that no approval opens, as `list widgets.example.com`.
    pub fn closed(&self) -> Vec<String> {
        let mut closed = Vec::new();
        for rule in &self.rules {
            for (group, resource) in rule
                .api_groups
                .iter()
                .flat_map(|group| rule.resources.iter().map(move |resource| (group, resource)))
            {
                let verbs = rule.verbs.iter().filter(|verb| !self.opens(**verb, group, resource));
                let verbs: Vec<&str> = verbs.map(|verb| verb.name()).collect();
                if group != ALL && resource != ALL && !verbs.is_empty() {
                    let dot = if group.is_empty() { "" } else { "." };
                    closed.push(format!("{} {resource}{dot}{group}", verbs.join(", ")));
                }
            }
        }
        closed
    }

    /// True if this read is declared, and within what was approved. `*` as group or resource asks for all of them.
    /// `nodes/proxy` opens the kubelet, so `*` never covers it.
    pub fn opens(&self, verb: Verb, group: &str, resource: &str) -> bool {
        let is_approved = |all: &Arc<[ApprovedReads]>| all.iter().any(|one| one.opens(verb, group, resource));
        self.declares(verb, group, resource) && self.approved.as_ref().is_none_or(is_approved)
    }

    fn declares(&self, verb: Verb, group: &str, resource: &str) -> bool {
        self.rules.iter().any(|rule| opens(rule, verb, group, resource))
    }

    /// Rejects an undeclared read.
    pub(super) fn check(&self, verb: Verb, group: &str, resource: &str) -> Result<(), Failure> {
        if self.opens(verb, group, resource) {
            return Ok(());
        }
        let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
        if self.declares(verb, group, resource) {
            return Err(Failure::new(
                Reason::NotGranted,
                format!(
                    "not granted: the operator's approval of this tool names kinds, and {resource}{of} is not one of them. An operator adds it to the approval's `kinds`, or approves anew: porthole plugin approve FILE --kinds"
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

impl ApprovedReads {
    /// True if a rule opens this read by name, or by a `*` that stands for it.
    fn opens(&self, verb: Verb, group: &str, resource: &str) -> bool {
        let is_named_kind = || self.kinds.as_ref().is_none_or(|kinds| kinds.names_kind(group, resource));
        self.reads.rules.iter().any(|rule| {
            let is_by_name = || names(&rule.api_groups, group) && names(&rule.resources, resource);
            opens(rule, verb, group, resource) && (is_by_name() || is_named_kind())
        })
    }
}

fn opens(rule: &ReadRule, verb: Verb, group: &str, resource: &str) -> bool {
    rule.verbs.contains(&verb) && opens_group(rule, group) && opens_resource(rule, resource)
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

    fn approved(reads: Grant, kinds: Option<&[&str]>) -> ApprovedReads {
        let kinds = kinds.map(|names| Arc::new(NamedKinds::parse(names.iter().copied()).unwrap()));
        ApprovedReads { reads: Arc::new(reads), kinds }
    }

    #[test]
    fn a_star_stands_for_the_kinds_that_an_approval_names_and_a_name_for_itself() {
        let mut rules = grant(&["*"], &["*"], &[Verb::List]).rules;
        rules.extend(grant(&["example.com"], &["widgets"], &[Verb::List]).rules);
        rules.extend(grant(&["*"], &["gadgets"], &[Verb::List]).rules);
        let all = Grant::new(rules);
        let bound = all.within([approved(all.clone(), Some(&["pods", "nodes", "deployments.apps"]))].into());
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
        assert!(all.has_star() && !grant(&[""], &["pods"], &[Verb::Get]).has_star());
        assert_eq!((bound.named_kinds(), all.named_kinds()), (Some(3), None));
    }

    /// The attack: a new version, which needs no approval since `*` implies it, names a kind that its approval does not.
    #[test]
    fn a_kind_that_a_tool_names_is_closed_unless_an_approval_opens_it() {
        let both = [Verb::Get, Verb::List];
        let star = || approved(grant(&["*"], &["*"], &both), Some(&["pods"]));
        let widgets = grant(&["example.com"], &["widgets"], &both);
        assert!(!widgets.within([star()].into()).opens(Verb::Get, "example.com", "widgets"));
        let by_name = approved(grant(&["example.com"], &["widgets"], &[Verb::Get]), None);
        let bound = widgets.within([star(), by_name].into());
        assert!(bound.opens(Verb::Get, "example.com", "widgets"));
        assert!(!bound.opens(Verb::List, "example.com", "widgets"), "by its own verbs");
        assert!(!bound.opens(Verb::Get, "", "pods"), "an approval opens nothing that is not declared");
        assert_eq!(bound.closed(), ["list widgets.example.com"]);
        assert_eq!(widgets.closed(), Vec::<String>::new());
        assert!(!widgets.within(Arc::default()).opens(Verb::Get, "example.com", "widgets"));
    }

    #[test]
    fn a_read_is_open_if_one_approval_opens_it_with_its_own_kinds() {
        let all = grant(&["*"], &["*"], &[Verb::Get, Verb::List]);
        let pods = || approved(grant(&["*"], &["pods"], &[Verb::Get]), None);
        let named = |names| approved(grant(&["*"], &["*"], &[Verb::List]), Some(names));
        let any = || approved(all.clone(), None);
        let open = |approvals: Vec<ApprovedReads>, verb, group, resource| {
            all.within(approvals.into()).opens(verb, group, resource)
        };
        for (verb, group, resource, is_open) in [
            (Verb::Get, "metrics.k8s.io", "pods", true),
            (Verb::List, "metrics.k8s.io", "pods", false),
            (Verb::List, "", "nodes", true),
            (Verb::Get, "", "nodes", false),
            (Verb::List, "batch", "jobs", true),
            (Verb::List, "", "secrets", false),
            (Verb::Get, "", "secrets", false),
        ] {
            let approvals = || vec![pods(), named(&["nodes"]), named(&["jobs.batch"])];
            assert_eq!(open(approvals(), verb, group, resource), is_open, "{verb:?} {group} {resource}");
            assert!(open([approvals(), vec![any()]].concat(), verb, group, resource));
        }
        let count = |approvals: Vec<ApprovedReads>| all.within(approvals.into()).named_kinds();
        assert_eq!(count(vec![named(&["nodes", "pods"]), named(&["pods", "jobs.batch"])]), Some(3));
        assert_eq!(
            (count(vec![named(&["nodes"]), any()]), count(vec![named(&["nodes"]), pods()])),
            (None, None)
        );
    }

    #[test]
    fn a_star_is_not_the_kubelet() {
        let all = grant(&["*"], &["*"], &[Verb::Get, Verb::List]);
        assert!(all.check(Verb::Get, "apps", "deployments").is_ok());
        assert!(all.check(Verb::Get, "", "nodes/proxy").is_err());
        assert!(grant(&[""], &["nodes/proxy"], &[Verb::Get]).check(Verb::Get, "", "nodes/proxy").is_ok());
    }
}
