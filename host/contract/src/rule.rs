//! Declarations of tools: the `read-rule` of the contract, in the words of RBAC.

/// The verb of a read. There is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One object.
    Get,
    /// Many objects.
    List,
}

impl Verb {
    /// The verb as RBAC spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
        }
    }
}

/// One line of a declaration. `*` stands for all groups or all resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRule {
    /// `""` is the core group.
    pub api_groups: Vec<String>,
    /// `pods`, `pods/log`.
    pub resources: Vec<String>,
    /// Never empty.
    pub verbs: Vec<Verb>,
}

/// A declaration in a line: `get, list pods; list deployments.apps`.
pub fn in_words(rules: &[ReadRule]) -> String {
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
