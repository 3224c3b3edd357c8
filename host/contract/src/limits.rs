//! The limits of a call, and of the host, with their defaults.

use std::time::Duration;

/// Kept of `timeout` for the tool to finish with what it has.
pub const TO_FINISH: Duration = Duration::from_millis(500);

/// What one call may use. Each limit ends in an error that names its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall clock of a call.
    pub timeout: Duration,
    /// Time inside the component.
    pub cpu: Duration,
    /// Bytes of the component's memories and tables.
    pub memory: u64,
    /// Reads asked of the cluster.
    pub reads: u32,
    /// Bytes read from the cluster.
    pub read_bytes: u64,
    /// Bytes of text to the caller.
    pub output: u32,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            memory: 128 << 20,
            reads: 256,
            read_bytes: 32 << 20,
            output: 32 << 10,
        }
    }
}

/// What the host holds at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// Calls in flight.
    pub concurrency: u32,
    /// Calls in flight of one caller.
    pub concurrency_per_caller: u32,
    /// SSE streams.
    pub sessions: u32,
    /// SSE streams of one caller.
    pub sessions_per_caller: u32,
    /// Bytes of memory that all calls may take together; None: three fifths of what the process may use.
    pub memory_total: Option<u64>,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            concurrency: 64,
            concurrency_per_caller: 8,
            sessions: 2000,
            sessions_per_caller: 200,
            memory_total: None,
        }
    }
}
