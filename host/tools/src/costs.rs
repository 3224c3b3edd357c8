//! Entries into this crate's pure paths for `host/porthole/tests/costs.rs`, which counts their allocations, so that nothing
//! private becomes public.

use serde_json::{Map, Value};

use crate::arguments::Parameters;

/// A parsed schema.
pub struct Schema(Parameters);

impl Schema {
    /// Parses a schema; `None` if it is refused.
    pub fn parse(schema: &Map<String, Value>) -> Option<Self> {
        Parameters::parse(schema).ok().map(Self)
    }

    /// Coerces arguments; `None` if they do not fit the schema.
    pub fn coerce(&self, arguments: Map<String, Value>) -> Option<String> {
        self.0.coerce(arguments).ok()
    }
}
