//! test_embedded_resource: An embedded resource, for the conformance suite.

use conformance::answer;
use porthole_sdk::{
    prelude::*,
    types::{Content, Embedded},
};

arguments! {}

tool! {
    name: "test_embedded_resource",
    title: "test_embedded_resource",
    summary: "An embedded resource, for the conformance suite.",
    reads: [],
}

fn run(_: Arguments) -> Answer {
    answer([Content::Embedded(Embedded {
        uri: "test://embedded-resource".to_owned(),
        mime_type: "text/plain".to_owned(),
        text: "This is an embedded resource content.".to_owned(),
    })])
}
