//! Read declarations of tools: the `read-rule` of the contract, in RBAC terms, parsed and bounded.

use crate::{Echo, is_label, is_subdomain};

/// Rules of a declaration. The most that a tool of ours has is 9.
pub const MAX_READ_RULES: usize = 64;
/// Bytes of all groups and resources together: every refused read names them.
pub const MAX_RULE_BYTES: usize = 8 << 10;
/// Subresources through which `get` opens more than reading: a shell, a port, or another server's whole API.
const BEYOND_READING: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// Verb of a read. Only reading verbs exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One object.
    Get,
    /// Many objects.
    List,
}

impl Verb {
    /// The RBAC spelling of the verb.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
        }
    }

    /// Parses the RBAC spelling; `None` for a verb that does not read.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::List].into_iter().find(|verb| verb.name() == text)
    }
}

/// One rule of a declaration. `*` means all groups or all resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRule {
    /// API groups; `""` is the core group.
    pub api_groups: Vec<String>,
    /// Plurals, with subresource if any: `pods`, `pods/log`.
    pub resources: Vec<String>,
    /// Verbs; never empty.
    pub verbs: Vec<Verb>,
}

impl ReadRule {
    /// Parses a rule, which can stand in a ClusterRole as it is.
    ///
    /// # Errors
    ///
    /// If it grants nothing, names what is no group or resource, or opens more than reading.
    pub fn parse(
        api_groups: Vec<String>,
        resources: Vec<String>,
        declared: impl IntoIterator<Item = Verb>,
    ) -> Result<Self, String> {
        let mut verbs = Vec::new();
        for verb in declared {
            if !verbs.contains(&verb) {
                verbs.push(verb);
            }
        }
        if api_groups.is_empty() || resources.is_empty() || verbs.is_empty() {
            return Err("a rule without a group, a resource or a verb grants nothing".to_owned());
        }
        if let Some(group) = api_groups.iter().find(|group| !is_group(group)) {
            return Err(format!(
                "{} is not an API group like apps or metrics.k8s.io, \"\" or \"*\"",
                Echo(group)
            ));
        }
        if let Some(resource) = resources.iter().find(|resource| !is_resource(resource)) {
            return Err(format!("{} is not a resource like pods or pods/log, or \"*\"", Echo(resource)));
        }
        if let Some(resource) = resources.iter().find(|resource| is_beyond_reading(resource)) {
            return Err(format!("{} opens more than reading, and Porthole only reads", Echo(resource)));
        }
        Ok(Self { api_groups, resources, verbs })
    }
}

/// Rejects a declaration that is larger than a tool needs, before its rules are copied. `names` are the groups and
/// resources of all its rules.
///
/// # Errors
///
/// If it has too many rules, or too many bytes of names.
pub fn check_declaration_size<'n>(
    rules: usize,
    names: impl Iterator<Item = &'n String>,
) -> Result<(), String> {
    if rules > MAX_READ_RULES {
        return Err(format!("{rules} rules; at most {MAX_READ_RULES} are served"));
    }
    // An empty name costs as much to keep as a short one.
    let bytes = names.fold(0usize, |sum, name| sum.saturating_add(name.len()).saturating_add(1));
    if bytes > MAX_RULE_BYTES {
        return Err(format!("groups and resources of {bytes} bytes; at most {MAX_RULE_BYTES} are served"));
    }
    Ok(())
}

/// True if a text is an API group: `*`, the core group's empty name, or a DNS-1123 subdomain.
fn is_group(text: &str) -> bool {
    matches!(text, "*" | "") || is_subdomain(text)
}

/// True if a text is a resource: `*`, or a plural with a subresource or none.
fn is_resource(text: &str) -> bool {
    let (plural, subresource) =
        text.split_once('/').map_or((text, None), |(plural, sub)| (plural, Some(sub)));
    text == "*" || (is_label(plural) && subresource.is_none_or(is_label))
}

/// True if `get` on a resource is more than reading. `nodes/proxy` serves a node's log; the host requests nothing else
/// there, and `porthole rbac` keeps it in a role of its own.
fn is_beyond_reading(resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    resource != "nodes/proxy" && subresource.is_some_and(|subresource| BEYOND_READING.contains(&subresource))
}

/// Renders a declaration in one line: `get, list pods; list deployments.apps`.
pub fn describe_rules(rules: &[ReadRule]) -> String {
    if rules.is_empty() {
        return "no objects".to_owned();
    }
    let rule = |rule: &ReadRule| {
        let verbs: Vec<&str> = rule.verbs.iter().map(|verb| verb.name()).collect();
        let resources: Vec<String> = rule
            .api_groups
            .iter()
            .flat_map(|group| {
                rule.resources.iter().map(move |resource| match (group.as_str(), resource.as_str()) {
                    ("*", "*") => "any kind".to_owned(),
                    ("", resource) => resource.to_owned(),
                    (group, resource) => format!("{resource}.{group}"),
                })
            })
            .collect();
        format!("{} {}", verbs.join(", "), resources.join(", "))
    };
    rules.iter().map(rule).collect::<Vec<_>>().join("; ")
}
