//! Runs one component: a fresh instance per call, in a world where nothing can be reached but `kube-read`.
//!
//! What a component has by default: no arguments, no environment, no preopened folders, a closed stdin, no network, no
//! HTTP. stdout and stderr go bounded to the debug log. It has clocks and random numbers, its own bounded memory and
//! time, and the interfaces `porthole:tool/kube-read` and `porthole:tool/call`.

mod call;
mod compile;
mod compiled;
mod component;
mod contract;
mod description;
mod engine;
mod executor;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod imports;
mod kube_read;
mod meter;
mod output;
mod schema;
mod state;
mod world;

pub use compile::{Code, CompileError, Compiler, OpenError, WasmFile, compile_child};
pub use compiled::CompileCache;
pub use component::{Component, LoadError, RunError, RunReport};
pub use description::Description;
pub use engine::Engine;
pub use imports::Import;
pub use state::CallContext;
