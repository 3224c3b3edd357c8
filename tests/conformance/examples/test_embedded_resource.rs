//! test_embedded_resource: An embedded resource, for the conformance suite.

use conformance::answer;
use porthole_sdk::{
    prelude::*,
    tool,
    types::{Content, Embedded},
};

/// An embedded resource, for the conformance suite.
#[tool(title = "test_embedded_resource")]
fn test_embedded_resource() -> Answer {
    answer([Content::Embedded(Embedded {
        uri: "test://embedded-resource".to_owned(),
        mime_type: "text/plain".to_owned(),
        text: "This is an embedded resource content.".to_owned(),
    })])
}
