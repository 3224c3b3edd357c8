//! test_tool_with_logging: Messages while it works, for the conformance suite.

use std::time::Duration;

use porthole_sdk::{prelude::*, tool};

/// Messages while it works, for the conformance suite.
#[tool(title = "test_tool_with_logging")]
fn test_tool_with_logging() -> Answer {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        call::log(call::Level::Info, message);
        std::thread::sleep(Duration::from_millis(50));
    }
    text("logged three times")
}
