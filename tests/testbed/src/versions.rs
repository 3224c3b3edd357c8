//! Versions of a tool: one component with another version number patched into the binary.

use memchr::memmem;

use crate::porthole::guest;

const BUILT: &str = "1.0.1000000";

/// Version number of the `n`th version.
pub fn number(n: u32) -> String {
    format!("1.0.{}", 1_000_000 + n)
}

/// The component `versioned` as its `n`th version: description and answers contain [`number`]`(n)`.
pub fn version(n: u32) -> Vec<u8> {
    let mut wasm = std::fs::read(guest("versioned")).expect("built by: cargo xtask test");
    write_over(&mut wasm, BUILT, &number(n));
    wasm
}

/// As [`version`], under another name of nine letters, so that many can be served at once.
pub fn named(name: &str, n: u32) -> Vec<u8> {
    let mut wasm = version(n);
    write_over(&mut wasm, "versioned", name);
    wasm
}

fn write_over(wasm: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> = memmem::find_iter(wasm, old).collect();
    assert!(!places.is_empty(), "{old} is nowhere in the component");
    for at in places {
        wasm[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
}
