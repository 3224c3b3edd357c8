//! libFuzzer with one target, named by `PORTHOLE_FUZZ_TARGET`. Built and started by `cargo xtask fuzz`.
#![no_main]

use std::sync::LazyLock;

use porthole_fuzz::TARGETS;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("PORTHOLE_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    #[expect(clippy::expect_used, reason = "the program has no other purpose")]
    target.expect("PORTHOLE_FUZZ_TARGET names a target").run
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
