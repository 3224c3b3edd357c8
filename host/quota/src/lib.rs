//! Per-caller shares of the host's memory and queues, so that no caller starves another.

mod account;
mod memory;

pub use account::{Account, PerAccount};
pub use memory::{Exhausted, MemoryShare, MemoryTotal, default_memory_total};
