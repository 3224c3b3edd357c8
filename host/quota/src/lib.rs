//! Shares of the host's memory and queues by caller, so that no caller takes the place of another.

mod account;
mod memory;

pub use account::{Account, PerAccount};
pub use memory::{Exhausted, MemoryShare, MemoryTotal, default_memory_total};
