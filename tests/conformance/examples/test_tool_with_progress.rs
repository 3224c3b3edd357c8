//! test_tool_with_progress: Progress while it works, for the conformance suite.

use std::time::Duration;

use porthole_sdk::{prelude::*, tool};

/// Progress while it works, for the conformance suite.
#[tool(title = "test_tool_with_progress")]
fn test_tool_with_progress() -> Answer {
    for done in [0.0, 50.0, 100.0] {
        call::progress(done, Some(100.0), &format!("{done} of 100"));
        std::thread::sleep(Duration::from_millis(50));
    }
    text("all done")
}
