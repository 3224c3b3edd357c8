//! test_audio_content: A sound, for the conformance suite.

use conformance::{answer, media};
use porthole_sdk::{prelude::*, tool, types::Content};

/// A sound, for the conformance suite.
#[tool(title = "test_audio_content")]
fn test_audio_content() -> Answer {
    // A WAV file of no samples.
    let silence =
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0";
    answer([Content::Audio(media(silence, "audio/wav"))])
}
