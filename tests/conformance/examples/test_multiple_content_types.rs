//! test_multiple_content_types: Several kinds of content at once, for the conformance suite.

use conformance::{PIXEL, answer, media};
use porthole_sdk::{
    prelude::*,
    tool,
    types::{Content, Embedded},
};

/// Several kinds of content at once, for the conformance suite.
#[tool(title = "test_multiple_content_types")]
fn test_multiple_content_types() -> Answer {
    answer([
        Content::Text("Multiple content types test:".to_owned()),
        Content::Image(media(PIXEL, "image/png")),
        Content::Embedded(Embedded {
            uri: "test://mixed-content-resource".to_owned(),
            mime_type: "application/json".to_owned(),
            text: r#"{"test":"data","value":123}"#.to_owned(),
        }),
    ])
}
