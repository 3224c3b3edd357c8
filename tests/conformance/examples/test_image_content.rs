//! test_image_content: An image, for the conformance suite.

use conformance::{PIXEL, answer, media};
use porthole_sdk::{prelude::*, tool, types::Content};

/// An image, for the conformance suite.
#[tool(title = "test_image_content")]
fn test_image_content() -> Answer {
    answer([Content::Image(media(PIXEL, "image/png"))])
}
