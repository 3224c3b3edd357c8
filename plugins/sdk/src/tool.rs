//! A component of a function: its description, and its calls.

use crate::{
    Arguments, Given,
    read::Answer,
    types::{Description, Outcome, ReadRule, Verb},
};

/// A tool's description of itself; [`#[tool]`](macro@crate::tool) makes it.
#[doc(hidden)]
pub struct About {
    pub name: &'static str,
    pub version: &'static str,
    pub title: &'static str,
    pub summary: &'static str,
    pub reads: &'static [Reads],
}

/// Resources of one API group ("" is core) that a tool may ask for.
#[doc(hidden)]
pub struct Reads {
    pub group: &'static str,
    pub resources: &'static [&'static str],
    pub verbs: &'static [Verb],
}

impl About {
    /// The description in the contract's words.
    pub fn describe<T: Arguments>(&self) -> Description {
        Description {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            title: self.title.to_owned(),
            summary: self.summary.to_owned(),
            input_schema: T::schema(),
            output_schema: None,
            reads: self.reads.iter().map(Reads::rule).collect(),
        }
    }
}

impl Reads {
    fn rule(&self) -> ReadRule {
        ReadRule {
            api_groups: vec![self.group.to_owned()],
            resources: self.resources.iter().map(|resource| (*resource).to_owned()).collect(),
            verbs: self.verbs.to_vec(),
        }
    }
}

/// Answers a call of the contract.
#[doc(hidden)]
pub fn answer<T: Arguments>(arguments: &str, tool: impl FnOnce(T) -> Answer) -> Result<Outcome, String> {
    Ok(tool(Given::parse(arguments)?.arguments()?)?)
}
