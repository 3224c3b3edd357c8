//! test_error_handling: An error, for the conformance suite.

use porthole_sdk::{prelude::*, tool};

/// An error, for the conformance suite.
#[tool(title = "test_error_handling")]
fn test_error_handling() -> Answer {
    Err("This tool intentionally returns an error for testing".into())
}
