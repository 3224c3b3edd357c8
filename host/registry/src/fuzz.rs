//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "oracles of fuzz targets: a panic is their report"
)]
#![allow(clippy::expect_used, reason = "oracles stop with a panic")]

use std::path::Path;

use crate::{
    ContentDigest, ImageReference, SourcesLock, TrustedKey, bundle,
    manifest::{MAX_LAYER, Manifest},
    simple_signing,
};

/// Key that has signed nothing in the corpus.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// A reference that parses is printed as it was written, and its file stays in the folder.
pub fn image_reference(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(image) = ImageReference::parse(text) else { return };
    assert_eq!(image.to_string(), text);
    let file = image.file_name();
    assert!(!file.starts_with('.') && !file.contains('/') && file.ends_with(".wasm"), "{file}");
}

/// A manifest that parses and is of a tool has a layer that the host would load.
pub fn image_manifest(input: &[u8]) {
    let Ok(manifest) = Manifest::parse(input) else { return };
    if let Ok(layer) = manifest.tool_layer() {
        assert!(layer.size > 0 && layer.size <= MAX_LAYER);
        assert_eq!(manifest.layers.len(), 1);
    }
}

/// No input is signed by a key that signed none.
pub fn signature(input: &[u8]) {
    let key = TrustedKey::parse("none", KEY.as_bytes()).expect("a key");
    let digest = ContentDigest::of(input);
    assert!(bundle::signer(input, digest, &[&key]).is_err());
    assert!(simple_signing::signer(input, "AAAA", digest, &[&key]).is_err());
}

/// A lock of sources that parses is the same after it was written.
pub fn sources_lock(input: &[u8]) {
    let Ok(lock) = SourcesLock::parse(Path::new("sources.lock"), input) else { return };
    let again = SourcesLock::parse(Path::new("sources.lock"), lock.render().as_bytes());
    assert_eq!(again.expect("what was written parses"), lock);
}
