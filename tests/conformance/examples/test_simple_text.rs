//! test_simple_text: A simple text, for the conformance suite.

use porthole_sdk::{prelude::*, tool};

/// A simple text, for the conformance suite.
#[tool(title = "test_simple_text")]
fn test_simple_text() -> Answer {
    text("This is a simple text response for testing.")
}
