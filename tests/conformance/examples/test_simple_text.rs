//! test_simple_text: A simple text, for the conformance suite.

use porthole_sdk::prelude::*;

arguments! {}

tool! {
    name: "test_simple_text",
    title: "test_simple_text",
    summary: "A simple text, for the conformance suite.",
    reads: [],
}

fn run(_: Arguments) -> Answer {
    text("This is a simple text response for testing.")
}
