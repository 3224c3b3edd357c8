//! Approvals as text: an entry of the lock, and of `tools.approved` in the configuration.

use std::sync::Arc;

use porthole_contract::{
    Digest, Echo, ReadRule, ToolName, Verb, Version, check_declaration_size, controls_display,
};
use porthole_guard::{Grant, NamedKinds};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Approval, Approvals, MAX_APPROVALS};

/// Bytes of `by` and of `at`, which become lines of a log and of the operator's page.
const MAX_NOTE: usize = 256;

/// An approval as written; the keys are those of the lock and of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalText {
    tool: String,
    version: String,
    digest: String,
    reads: Vec<RuleText>,
    #[serde(default, deserialize_with = "a_list", skip_serializing_if = "Option::is_none")]
    kinds: Option<Vec<String>>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    at: String,
}

/// A list that is written must be one: `kinds:` with nothing behind it would else mean any kind.
fn a_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// A rule, in the words of RBAC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleText {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

impl ApprovalText {
    /// Renders an approval.
    pub fn of(tool: &ToolName, approval: &Approval) -> Self {
        Self {
            tool: tool.to_string(),
            version: approval.version.to_string(),
            digest: format!("sha256:{}", approval.digest),
            reads: approval.reads.rules().iter().map(RuleText::of).collect(),
            kinds: approval.kinds.as_ref().map(|kinds| kinds.names()),
            by: approval.by.clone(),
            at: approval.at.clone(),
        }
    }

    /// Parses a list of entries, as strictly as a component's own declaration.
    ///
    /// # Errors
    ///
    /// If an entry names no tool, version or digest, approves what no tool may declare, or names a tool a second time.
    pub fn parse_all(entries: Vec<Self>) -> Result<Approvals, String> {
        if entries.len() > MAX_APPROVALS {
            return Err(format!("{} approvals; at most {MAX_APPROVALS} are kept", entries.len()));
        }
        let mut approvals = Approvals::default();
        for entry in entries {
            let (tool, approval) = entry.parse()?;
            if approvals.get(&tool).is_some() {
                return Err(format!("{tool} is approved twice; leave one of them"));
            }
            approvals.insert(tool, approval);
        }
        Ok(approvals)
    }

    fn parse(self) -> Result<(ToolName, Approval), String> {
        let tool = ToolName::parse(&self.tool)
            .ok_or_else(|| format!("{} is not the name of a tool", Echo(&self.tool)))?;
        let wrong = |what: String| format!("{tool}: {what}");
        let version = Version::parse(&self.version)
            .ok_or_else(|| wrong(format!("{} is not a version", Echo(&self.version))))?;
        let digest = Digest::parse(&self.digest)
            .ok_or_else(|| wrong(format!("{} is not a digest like sha256:…", Echo(&self.digest))))?;
        for (what, note) in [("by", &self.by), ("at", &self.at)] {
            if note.len() > MAX_NOTE || note.chars().any(controls_display) {
                return Err(wrong(format!("{what} is not one plain line of {MAX_NOTE} bytes")));
            }
        }
        let names = self.reads.iter().flat_map(|rule| rule.api_groups.iter().chain(&rule.resources));
        check_declaration_size(self.reads.len(), names).map_err(wrong)?;
        let rules = self.reads.into_iter().map(RuleText::parse).collect::<Result<Vec<_>, _>>();
        let rules = rules.map_err(|error| format!("{tool}: reads: {error}"))?;
        let named = self.kinds.map(|names| NamedKinds::parse(names.iter().map(String::as_str))).transpose();
        let kinds = named.map_err(|error| format!("{tool}: kinds: {error}"))?.map(Arc::new);
        let reads = Arc::new(Grant::new(rules));
        if kinds.is_some() && !reads.has_star() {
            return Err(format!(
                "{tool}: kinds: they would close nothing, since no rule of `reads` has a `*`"
            ));
        }
        Ok((tool, Approval { version, digest, reads, kinds, by: self.by, at: self.at }))
    }
}

impl RuleText {
    /// Renders a rule.
    pub(crate) fn of(rule: &ReadRule) -> Self {
        Self {
            api_groups: rule.api_groups.clone(),
            resources: rule.resources.clone(),
            verbs: rule.verbs.iter().map(|verb| verb.name().to_owned()).collect(),
        }
    }

    fn parse(self) -> Result<ReadRule, String> {
        let verb =
            |text: &String| Verb::parse(text).ok_or_else(|| format!("{} is not get or list", Echo(text)));
        let verbs = self.verbs.iter().map(verb).collect::<Result<Vec<_>, _>>()?;
        ReadRule::parse(self.api_groups, self.resources, verbs)
    }
}
