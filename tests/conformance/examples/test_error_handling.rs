//! test_error_handling: An error, for the conformance suite.

use porthole_sdk::prelude::*;

arguments! {}

tool! {
    name: "test_error_handling",
    title: "test_error_handling",
    summary: "An error, for the conformance suite.",
    reads: [],
}

fn run(_: Arguments) -> Answer {
    Err("This tool intentionally returns an error for testing".into())
}
