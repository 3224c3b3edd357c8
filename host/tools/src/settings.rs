//! The operator's settings for tools: which are served, and their limits.

use std::collections::BTreeMap;

use porthole_contract::{CallLimits, HostLimits};

/// The operator's settings for tools. The default serves every tool with the default limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Limits of the tools that have none of their own.
    pub calls: CallLimits,
    /// Limits of single tools, by their names.
    pub tools: BTreeMap<String, CallLimits>,
    /// None: every tool of the folder.
    pub enabled: Option<Vec<String>>,
    /// Tools that are not served.
    pub disabled: Vec<String>,
    /// Namespaces to try for a caller who may not list all of them.
    pub namespaces: Vec<String>,
    /// Limits of the host.
    pub host: HostLimits,
}

impl Settings {
    /// Whether a tool is to be served.
    pub fn serves(&self, tool: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == tool);
        self.enabled.as_deref().is_none_or(named) && !named(&self.disabled)
    }

    /// The tools that it names.
    pub fn named_tools(&self) -> impl Iterator<Item = &String> {
        self.enabled.iter().flatten().chain(&self.disabled).chain(self.tools.keys())
    }

    /// The limits of one tool's calls.
    pub fn limits_of(&self, tool: &str) -> CallLimits {
        self.tools.get(tool).copied().unwrap_or(self.calls)
    }

    /// The largest `memory` of any tool, in bytes.
    pub fn max_memory(&self) -> u64 {
        self.tools.values().chain([&self.calls]).map(|limits| limits.memory).max().unwrap_or_default()
    }
}
