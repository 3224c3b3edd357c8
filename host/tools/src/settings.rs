//! Operator settings for tools: selection and limits.

use std::collections::BTreeMap;

use porthole_contract::{CallLimits, HostLimits};

/// Operator settings for tools. The default serves every tool with the default limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Limits of the tools without limits of their own.
    pub calls: CallLimits,
    /// Limits of single tools, by tool name.
    pub tools: BTreeMap<String, CallLimits>,
    /// Allow-list; `None` serves every tool of the folder.
    pub enabled: Option<Vec<String>>,
    /// Deny-list; overrides `enabled`.
    pub disabled: Vec<String>,
    /// Namespaces to suggest to a caller who may not list cluster-wide.
    pub namespaces: Vec<String>,
    /// Limits of the host.
    pub host: HostLimits,
}

impl Settings {
    /// True if the operator's settings serve this tool.
    pub fn serves(&self, tool: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == tool);
        self.enabled.as_deref().is_none_or(named) && !named(&self.disabled)
    }

    /// Tool names that the settings mention.
    pub fn named_tools(&self) -> impl Iterator<Item = &String> {
        self.enabled.iter().flatten().chain(&self.disabled).chain(self.tools.keys())
    }

    /// Limits of one tool's calls.
    pub fn limits_of(&self, tool: &str) -> CallLimits {
        self.tools.get(tool).copied().unwrap_or(self.calls)
    }

    /// Maximum `memory` of any tool, in bytes.
    pub fn max_memory(&self) -> u64 {
        self.tools.values().chain([&self.calls]).map(|limits| limits.memory).max().unwrap_or_default()
    }
}
