//! The operator's policy by caller (`policy`): the tools, namespaces and kinds to which rules narrow a caller's calls.
//!
//! Rules only narrow what RBAC, the tool's grant and `denied` leave. A caller gets the intersection of all rules that name
//! it; a caller that no rule names gets everything, or nothing if the default is `deny`.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use porthole_contract::{Echo, Failure, Kind, Reason, ToolName};
use serde::Deserialize;

use crate::kind_pattern::{KindPattern, parse_entry};

/// Max namespaces that a refusal names.
const MAX_NAMED: usize = 10;

/// A rule of the policy. A list that is left out does not narrow; an empty list leaves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerRule {
    /// Callers that the rule applies to; everybody if left out.
    pub callers: Option<Callers>,
    /// Tools that they may call.
    pub tools: Option<BTreeSet<ToolName>>,
    /// Namespaces that they may read. Kinds without a namespace are excluded then, unless `kinds` names them.
    pub namespaces: Option<BTreeSet<String>>,
    /// Kinds that they may read.
    pub kinds: Option<KindSet>,
}

/// Callers by name, as the API server's SelfSubjectReview tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callers {
    /// Members of one of these groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Users and ServiceAccounts (`system:serviceaccount:NAMESPACE:NAME`).
    #[serde(default)]
    pub users: BTreeSet<String>,
}

/// A set of kinds and subresources, written as those of `denied`. A kind does not include its subresources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindSet {
    names: Vec<String>,
    patterns: Vec<KindPattern>,
}

/// Policy for callers that no rule names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyDefault {
    /// They are not narrowed.
    #[default]
    Allow,
    /// They may call no tool.
    Deny,
}

/// All rules, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerPolicy {
    rules: Vec<Arc<CallerRule>>,
    default: PolicyDefault,
}

/// The policy of one caller.
#[derive(Debug, Clone, Default)]
pub struct Ceiling {
    rules: Vec<Arc<CallerRule>>,
    /// No rule names the caller, and the default is to deny.
    closed: bool,
}

/// Scope of a read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    Namespace(&'a str),
    AllNamespaces,
    /// An object without a namespace.
    Cluster,
}

impl CallerRule {
    /// True if the rule applies to the caller.
    fn names(&self, username: &str, groups: &[String]) -> bool {
        self.callers.as_ref().is_none_or(|callers| {
            callers.users.contains(username) || groups.iter().any(|group| callers.groups.contains(group))
        })
    }
}

impl KindSet {
    /// Resolves the entries.
    ///
    /// # Errors
    ///
    /// Names the first entry that is no kind.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for name in names {
            patterns.extend(parse_entry(name).map_err(|mistake| format!("{} {mistake}", Echo(name)))?);
        }
        Ok(Self { names: names.to_vec(), patterns })
    }

    /// The entries as they were written.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn contains(&self, read: Read<'_>) -> bool {
        self.patterns.iter().any(|pattern| match read {
            Read::Kind(kind) => pattern.matches(kind),
            // A whole group opens no subresource: `nodes/proxy` is the kubelet, which tells of every namespace.
            Read::BuiltIn { group, resource } => {
                pattern.is_exactly(group, resource) && !(pattern.is_group() && resource.contains('/'))
            }
        })
    }
}

/// The kind that is read.
#[derive(Clone, Copy)]
pub(super) enum Read<'a> {
    Kind(&'a Kind),
    /// A kind of Kubernetes or a subresource such as `pods/log`.
    BuiltIn {
        group: &'a str,
        resource: &'a str,
    },
}

impl Read<'_> {
    fn name(self) -> String {
        match self {
            Self::Kind(kind) => kind.qualified_name(),
            Self::BuiltIn { group: "", resource } => resource.to_owned(),
            Self::BuiltIn { group, resource } => format!("{resource}.{group}"),
        }
    }
}

impl CallerPolicy {
    /// A policy of these rules.
    pub fn new(rules: Vec<CallerRule>, default: PolicyDefault) -> Self {
        Self { rules: rules.into_iter().map(Arc::new).collect(), default }
    }

    /// The rules, each with true if it names the caller.
    pub fn rules(&self, username: &str, groups: &[String]) -> Vec<(&CallerRule, bool)> {
        self.rules.iter().map(|rule| (&**rule, rule.names(username, groups))).collect()
    }

    /// The policy of a caller.
    pub fn ceiling(&self, username: &str, groups: &[String]) -> Ceiling {
        let named = self.rules.iter().filter(|rule| rule.names(username, groups));
        let rules: Vec<Arc<CallerRule>> = named.map(Arc::clone).collect();
        let closed = rules.is_empty() && self.default == PolicyDefault::Deny;
        Ceiling { rules, closed }
    }
}

impl Ceiling {
    /// True if the caller may call the tool.
    pub fn allows_tool(&self, name: &str) -> bool {
        !self.closed
            && self.rules.iter().all(|rule| rule.tools.as_ref().is_none_or(|tools| tools.contains(name)))
    }

    /// False if the caller may call no tool, whatever tools there are.
    pub fn allows_any_tool(&self) -> bool {
        let mut lists = self.rules.iter().filter_map(|rule| rule.tools.as_ref());
        !self.closed && lists.next().is_none_or(|first| first.iter().any(|tool| self.allows_tool(tool)))
    }

    /// Namespaces that the caller may read; `None` if no rule narrows them.
    pub fn namespaces(&self) -> Option<BTreeSet<&str>> {
        let mut lists = self.rules.iter().filter_map(|rule| rule.namespaces.as_ref());
        let first = lists.next()?.iter().map(String::as_str).collect::<BTreeSet<_>>();
        Some(lists.fold(first, |mut rest, list| {
            rest.retain(|namespace| list.contains(*namespace));
            rest
        }))
    }

    /// Rejects a read beyond the caller's policy.
    pub(super) fn check(&self, read: Read<'_>, scope: Scope<'_>) -> Result<(), Failure> {
        let closed = self.closed
            || self.rules.iter().any(|rule| rule.kinds.as_ref().is_some_and(|kinds| !kinds.contains(read)));
        if closed {
            return Err(Failure::new(
                Reason::NotGranted,
                format!(
                    "resource not allowed: {}. The operator of Porthole has not opened it to this caller (`policy`).",
                    read.name()
                ),
            ));
        }
        self.check_scope(read, scope)
    }

    fn check_scope(&self, read: Read<'_>, scope: Scope<'_>) -> Result<(), Failure> {
        let within = |rule: &CallerRule| match (&rule.namespaces, scope) {
            (None, _) => true,
            (Some(open), Scope::Namespace(namespace)) => open.contains(namespace),
            (Some(_), Scope::AllNamespaces) => false,
            // The list of kinds was checked before, so that one holds this kind.
            (Some(_), Scope::Cluster) => rule.kinds.is_some(),
        };
        if self.rules.iter().all(|rule| within(rule)) {
            return Ok(());
        }
        let place = match scope {
            Scope::Namespace(namespace) => format!(" in namespace {}", Echo(namespace)),
            Scope::AllNamespaces => " in all namespaces".to_owned(),
            Scope::Cluster => ", which has no namespace".to_owned(),
        };
        let open = self.namespaces().unwrap_or_default();
        let more = open.len().saturating_sub(MAX_NAMED);
        let named = open.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
        let open = match (open.len(), more) {
            (0, _) => "none".to_owned(),
            (_, 0) => named,
            _ => format!("{named} and {more} more"),
        };
        Err(Failure::new(
            Reason::Forbidden,
            format!(
                "not allowed: {}{place}. The operator of Porthole has opened these namespaces to this caller (`policy`): {open}.",
                read.name()
            ),
        ))
    }
}
