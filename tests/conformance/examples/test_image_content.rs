//! test_image_content: An image, for the conformance suite.

use conformance::{PIXEL, answer, media};
use porthole_sdk::{prelude::*, types::Content};

arguments! {}

tool! {
    name: "test_image_content",
    title: "test_image_content",
    summary: "An image, for the conformance suite.",
    reads: [],
}

fn run(_: Arguments) -> Answer {
    answer([Content::Image(media(PIXEL, "image/png"))])
}
