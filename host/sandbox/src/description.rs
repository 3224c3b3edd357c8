//! A component's description, parsed and bounded before anything else of the host sees it.
//!
//! A component is as hostile as a request. Its declaration becomes an operator's ClusterRole, a model's list of tools, a
//! page, and lines on a terminal: each of those may rely on the bounds here, and on nothing else.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use porthole_contract::{Echo, ReadRule, ToolName, Verb, Version, check_declaration_size, controls_display};
use porthole_guard::{self, Grant};
use serde_json::{Map, Value};

use super::{schema, world};

/// Bytes of a title.
const MAX_TITLE: usize = 128;
/// Bytes of a summary, which a model pays for at every listing (the attack was 3.5 MB). The longest of our own has 200.
const MAX_SUMMARY: usize = 4 << 10;
/// A declaration, parsed and bounded. Nothing else makes one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Description {
    /// The name that clients call it by.
    pub name: ToolName,
    /// Its version.
    pub version: Version,
    /// One line without control characters; may be empty.
    pub title: String,
    /// One line without control characters.
    pub summary: String,
    /// The schema of the arguments, within what every client keeps.
    pub input_schema: Arc<Map<String, Value>>,
    /// The schema of the structured result.
    pub output_schema: Option<Arc<Map<String, Value>>>,
    /// Grant of the tool: groups and resources are `*` or names as Kubernetes spells them.
    pub grant: Arc<Grant>,
}

/// Reason that a description is refused.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It is not what a client could list it under.
    #[error("its name {0} is not 1 to 64 of a-z, 0-9 and _")]
    Name(String),
    /// It is empty, too long, or holds something else than letters, digits and `.+-`.
    #[error("its version {0} is not 1 to 64 of letters, digits, '.', '+' and '-'")]
    Version(String),
    /// The title or the summary is longer than a model should read at each listing.
    #[error("its {what} has {bytes} bytes; at most {max} are served")]
    TooLong {
        /// `title` or `summary`.
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    /// The title or the summary could begin a line of its own, or steer a terminal.
    #[error("its {0} holds a control character, a line break or a bidirectional override")]
    ControlCharacter(&'static str),
    /// A model could not know when to use the tool.
    #[error("its summary is empty: a model could not know when to use it")]
    NoSummary,
    /// A schema is outside of what every client keeps.
    #[error(transparent)]
    Schema(#[from] schema::SchemaError),
    /// A rule cannot be one of an RBAC role.
    #[error("its reads: {0}")]
    Reads(String),
}

impl Description {
    /// Parses what `describe` returned.
    pub(super) fn parse(raw: world::Description) -> Result<Self, DescriptionError> {
        let name =
            ToolName::parse(&raw.name).ok_or_else(|| DescriptionError::Name(Echo(&raw.name).to_string()))?;
        let version = Version::parse(&raw.version)
            .ok_or_else(|| DescriptionError::Version(Echo(&raw.version).to_string()))?;
        check_line("title", &raw.title, MAX_TITLE)?;
        check_line("summary", &raw.summary, MAX_SUMMARY)?;
        if raw.summary.trim().is_empty() {
            return Err(DescriptionError::NoSummary);
        }
        Ok(Self {
            input_schema: Arc::new(schema::parse("input-schema", &raw.input_schema)?),
            output_schema: raw
                .output_schema
                .as_deref()
                .map(|text| schema::parse("output-schema", text))
                .transpose()?
                .map(Arc::new),
            grant: Arc::new(Grant::new(parse_rules(&raw.reads).map_err(DescriptionError::Reads)?)),
            name,
            version,
            title: raw.title,
            summary: raw.summary,
        })
    }
}

/// Refuses text that is long, or more than one plain line.
fn check_line(what: &'static str, text: &str, max: usize) -> Result<(), DescriptionError> {
    if text.len() > max {
        return Err(DescriptionError::TooLong { what, bytes: text.len(), max });
    }
    if text.chars().any(controls_display) {
        return Err(DescriptionError::ControlCharacter(what));
    }
    Ok(())
}

/// The rules of a declaration, each of which can stand in a ClusterRole as it is.
fn parse_rules(declared: &[world::ReadRule]) -> Result<Vec<ReadRule>, String> {
    let names = declared.iter().flat_map(|rule| rule.api_groups.iter().chain(&rule.resources));
    check_declaration_size(declared.len(), names)?;
    let verb = |verb: &world::Verb| match verb {
        world::Verb::Get => Verb::Get,
        world::Verb::List => Verb::List,
    };
    let rule = |rule: &world::ReadRule| {
        ReadRule::parse(rule.api_groups.clone(), rule.resources.clone(), rule.verbs.iter().map(verb))
    };
    declared.iter().map(rule).collect()
}
