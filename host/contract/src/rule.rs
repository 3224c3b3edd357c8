//! Read declarations of tools: the `read-rule` of the contract, in RBAC terms.

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
