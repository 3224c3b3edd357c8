//! The one place that trusts machine code: handing wasmtime a component that it compiled before.
//!
//! wasmtime checks that a file was made by its own version, for this processor, with this configuration; it does not
//! and cannot check that the code in it is harmless. Whoever can write such a file can do whatever this process can.
//! So every path here leads to bytes that came from a compiler of this program: through its pipe, or from a file of
//! [`CompileCache`](super::CompileCache), whose folder only its owner can write. The compiler is a process of its own that
//! reads hostile components; it is confined, and it is trusted for what it emits. That is in the threat model.

#![expect(unsafe_code, reason = "deserializing is unsafe: it runs what it is given. See the first lines")]

use std::path::Path;

use wasmtime::{Engine, component::Component};

/// Loads a file of the cache; its code is mapped, and read from the disk as it is run.
///
/// Only for [`super::CompileCache::find`] and for code that has just been received: both know that a compiler of this program
/// made the file, and that it is whole.
pub(in super::super) fn load_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the caller has checked that the file lies in a folder that no other user can write, belongs to us, and has
    // the digest that the compiler named. Files of the cache are never changed in place, only unlinked, so the
    // mapping stays what it is.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Loads what a compiler has just sent.
pub(in super::super) fn load_bytes(engine: &Engine, code: &Precompiled) -> wasmtime::Result<Component> {
    // SAFETY: a `Precompiled` is what a compiler of this program sent, with the digest that it named, and cannot be changed.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Code in memory.
pub(in super::super) struct Precompiled(Vec<u8>);

impl Precompiled {
    /// Code that was received from a compiler and has the length, the engine and the digest of its header.
    pub(in super::super) fn from_compiler(code: Vec<u8>) -> Self {
        Self(code)
    }
}
