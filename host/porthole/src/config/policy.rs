//! `policy` of the configuration file: what rules say, parsed.

use std::collections::BTreeSet;

use porthole_contract::{Echo, ToolName, is_label};
use porthole_guard::{CallerRule, Callers, KindSet};
use serde::Deserialize;

/// A rule as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    callers: Option<Callers>,
    tools: Option<Vec<String>>,
    namespaces: Option<Vec<String>>,
    kinds: Option<Vec<String>>,
}

/// Parses all rules; the error names the key.
pub(super) fn rules(texts: Vec<RuleText>) -> Result<Vec<CallerRule>, String> {
    let numbered = texts.into_iter().enumerate();
    numbered.map(|(number, text)| rule(text).map_err(|error| format!("policy[{number}].{error}"))).collect()
}

fn rule(RuleText { callers, tools, namespaces, kinds }: RuleText) -> Result<CallerRule, String> {
    if callers.as_ref().is_some_and(|callers| callers.groups.is_empty() && callers.users.is_empty()) {
        return Err("callers names nobody; leave it out for everybody".to_owned());
    }
    let tool = |name: &String| {
        ToolName::parse(name).ok_or(format!("tools: {} is not the name of a tool", Echo(name)))
    };
    let tools: Option<BTreeSet<ToolName>> =
        tools.map(|names| names.iter().map(tool).collect()).transpose()?;
    if let Some(none) = namespaces.iter().flatten().find(|name| !is_label(name)) {
        return Err(format!("namespaces: {} is not the name of a namespace", Echo(none)));
    }
    let kinds = kinds.map(|names| KindSet::parse(&names).map_err(|mistake| format!("kinds: {mistake}")));
    let namespaces = namespaces.map(|names| names.into_iter().collect());
    Ok(CallerRule { callers, tools, namespaces, kinds: kinds.transpose()? })
}
