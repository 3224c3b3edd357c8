//! Limits of a call and of the host, with their defaults.

use std::time::Duration;

/// Part of `timeout` reserved for the tool to finish with the data that it has.
pub const FINISH_MARGIN: Duration = Duration::from_millis(500);

/// Limits of one call. Exceeding one is an error that names its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall-clock time of a call.
    pub timeout: Duration,
    /// CPU time inside the component.
    pub cpu: Duration,
    /// Bytes of the component's memories and tables.
    pub memory: u64,
    /// Reads from the cluster.
    pub reads: u32,
    /// Bytes read from the cluster.
    pub read_bytes: u64,
    /// Bytes of logs that the host searches.
    pub log_bytes: u64,
    /// Bytes of text in the answer.
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
            log_bytes: 256 << 20,
            output: 32 << 10,
        }
    }
}

/// Limits of the host, over all calls.
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
    /// Bytes of memory for all calls together; None: three fifths of the memory that the process may use.
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
