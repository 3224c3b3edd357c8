//! Running one component: a fresh instance a call, in a world where nothing can be reached but `kube-read`.
//!
//! Knows: wasmtime, the contract in `wit/`, the guard that its reads go through. Does not know: MCP, folders, callers.
//!
//! What a component has by default: no arguments, no environment, no preopened folders, a closed stdin, no network, no
//! HTTP. stdout and stderr go bounded to the debug log. It has clocks and random numbers, its own bounded memory and
//! time, and the interfaces `porthole:tool/kube-read` and `porthole:tool/call`.

mod call;
pub(crate) mod compile;
mod compiled;
mod component;
mod contract;
mod description;
mod engine;
mod executor;
mod imports;
mod kube_read;
mod meter;
mod output;
mod schema;
mod state;
mod world;

pub(crate) use compile::{Code, CompileError, Compiler, Unreadable, WasmFile};
pub(crate) use compiled::{CompiledCode, Digest};
pub(crate) use component::{Component, Finished, LoadError, Stopped};
pub(crate) use description::Description;
pub(crate) use engine::Engine;
pub(crate) use imports::Import;
pub(crate) use state::{CallContext, LogLevel, Note};
pub(crate) use world::{Content, Embedded, Media, Outcome};
