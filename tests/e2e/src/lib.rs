//! End-to-end tests: the host as a process, its image, its clients and its documents, each judged from outside.
//!
//! The tests are in `tests/`, one binary for each suite of `cargo xtask test`, which builds and starts what they need.

use std::path::{Path, PathBuf};

/// Root of the repository, whose documents and manifests are tested too.
pub fn root() -> PathBuf {
    // As cargo names it to the running test: a target folder that clones share keeps the path of whichever was built.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = manifest.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    // Two folders above this crate: tests/e2e.
    manifest.ancestors().nth(2).unwrap_or(&manifest).to_owned()
}
