//! The one place that trusts machine code: handing wasmtime a component that it compiled before.
//!
//! wasmtime checks that a file was made by its own version, for this processor, with this configuration; it does not
//! and cannot check that the code in it is harmless. Whoever can write such a file can do whatever this process can.
//! So every path here leads to bytes that an engine of this program made: in memory, or in a file of
//! [`CompiledCode`](super::CompiledCode), whose folder only its owner can write.

#![expect(unsafe_code, reason = "deserializing is unsafe: it runs what it is given. See the first lines")]

use std::path::Path;

use wasmtime::{Engine, component::Component};

/// Loads a file of the cache; its code is mapped, and read from the disk as it is run.
///
/// Only for [`super::CompiledCode::find`] and `keep`, which know that this program wrote the file, and that it is whole.
pub(super) fn of_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the caller has checked that the file lies in a folder that nobody else can write, belongs to us, and has
    // the digest that it had when it was written. Files of the cache are never changed in place, only unlinked, so the
    // mapping stays what it is.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Loads what `precompile_component` of the same engine has just returned.
pub(super) fn of_bytes(engine: &Engine, code: &Precompiled) -> wasmtime::Result<Component> {
    // SAFETY: a `Precompiled` is only made below, of what the engine returned, and cannot be changed.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Code that an engine made in this process.
pub(super) struct Precompiled(Vec<u8>);

impl Precompiled {
    /// Compiles a component.
    pub(super) fn make(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Self> {
        engine.precompile_component(wasm).map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
