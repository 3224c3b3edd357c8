//! The state of one instance: its empty WASI, its memory and time so far, and the call that it serves.
//!
//! The memory limiter is by hand, because wasmtime's StoreLimits bounds each memory and table, and not all together.

use std::{sync::Arc, time::Duration};

use porthole_contract::{Note, ToolName};
use porthole_guard::GuardedReader;
use porthole_quota::{Account, Exhausted, MemoryShare};
use tokio::sync::mpsc;
use wasmtime::{ResourceLimiterAsync, component::ResourceTable};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    async_trait,
};

use super::{engine::TICK, meter::Meter, output::Capture};

/// Open streams, pollables and the like of one call. A guest that opens more is in a loop.
const MAX_RESOURCES: usize = 1000;
/// Random bytes in one request (wasmtime's default is 64 MiB, allocated in the host).
const MAX_RANDOM_BYTES: u64 = 64 << 10;
/// Bytes of one table element in the host.
const TABLE_ELEMENT: usize = 8;

/// Cause of a trap in `describe`.
const DESCRIBING: &str = "describe() may not use kube-read or call: it runs once, for nobody";

/// The call that an instance serves.
pub struct CallContext {
    /// For the log.
    pub tool: ToolName,
    /// Account whose turn the call takes.
    pub account: Account,
    /// The call's share of the memory of all calls.
    pub memory: Arc<MemoryShare>,
    /// Its reads.
    pub reader: GuardedReader,
    /// Namespaces to try where listing all of them is forbidden.
    pub namespaces: Vec<String>,
    /// Bytes of text that reach the caller.
    pub output: u32,
    /// Channel for notes, if the client asked for any. Notes are dropped while it is full.
    pub notes: Option<mpsc::Sender<Note>>,
}

/// Everything that belongs to one instance.
pub(super) struct State {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) memory: Memory,
    pub(super) meter: Arc<Meter>,
    /// None while the component describes itself: then every import of ours traps.
    call: Option<CallContext>,
    pub(super) output: Capture,
    /// Remaining log allowance of the tool.
    pub(super) log: LogAllowance,
}

/// Lines and bytes that one call may still log. One call once wrote 125 MB of them in 0.9 s.
pub(super) struct LogAllowance {
    lines: u32,
    bytes: usize,
    exhausted: bool,
}

/// Decision on a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogDecision {
    Logged,
    /// The first message over the allowance; a notice takes its place, once.
    FirstDropped,
    Dropped,
}

impl Default for LogAllowance {
    fn default() -> Self {
        Self { lines: 100, bytes: 64 << 10, exhausted: false }
    }
}

impl LogAllowance {
    /// Counts a message of this many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> LogDecision {
        if self.exhausted {
            return LogDecision::Dropped;
        }
        match (self.lines.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(lines), Some(bytes)) => {
                (self.lines, self.bytes) = (lines, bytes);
                LogDecision::Logged
            }
            _ => {
                self.exhausted = true;
                LogDecision::FirstDropped
            }
        }
    }
}

impl State {
    /// For describing: the clock stands at zero and the random source is constant.
    pub(super) fn describing(memory: Memory, meter: Arc<Meter>) -> Self {
        Self::build(memory, meter, None, |wasi| {
            wasi.wall_clock(ZeroClock)
                .monotonic_clock(ZeroClock)
                .secure_random(Deterministic::new(vec![7]))
                .insecure_random(Deterministic::new(vec![7]))
                .insecure_random_seed(7);
        })
    }

    pub(super) fn calling(memory: Memory, meter: Arc<Meter>, call: CallContext) -> Self {
        Self::build(memory, meter, Some(call), |_| {})
    }

    fn build(
        memory: Memory,
        meter: Arc<Meter>,
        call: Option<CallContext>,
        more: impl FnOnce(&mut WasiCtxBuilder),
    ) -> Self {
        let output = Capture::default();
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(output.clone()).stderr(output.clone()).max_random_size(MAX_RANDOM_BYTES);
        // Nothing of wasi:sockets is linked. A second lock, should that ever change.
        wasi.allow_tcp(false).allow_udp(false);
        more(&mut wasi);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self { wasi: wasi.build(), table, memory, meter, call, output, log: LogAllowance::default() }
    }

    /// The call being served. While a component describes itself there is none, and asking for it traps.
    pub(super) fn call(&self) -> wasmtime::Result<&CallContext> {
        self.call.as_ref().ok_or_else(|| wasmtime::Error::msg(DESCRIBING))
    }

    /// The call being served, and its resources.
    pub(super) fn call_and_table(&mut self) -> wasmtime::Result<(&CallContext, &mut ResourceTable)> {
        let call = self.call.as_ref().ok_or_else(|| wasmtime::Error::msg(DESCRIBING))?;
        Ok((call, &mut self.table))
    }

    pub(super) fn into_call(self) -> Option<CallContext> {
        self.call
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A clock that stays at zero.
struct ZeroClock;

impl HostWallClock for ZeroClock {
    fn resolution(&self) -> Duration {
        TICK
    }
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for ZeroClock {
    fn resolution(&self) -> u64 {
        1
    }
    fn now(&self) -> u64 {
        0
    }
}

/// The bytes of an instance's memories and tables, their limit, and the call's share of what all calls may take.
pub(super) struct Memory {
    limit: usize,
    share: Arc<MemoryShare>,
    used: usize,
    pub(super) peak: usize,
    /// Reason of the last refused growth: the cause of death, if the component died.
    pub(super) refusal: Option<Refusal>,
}

/// Reason that a component could not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its own limit, `memory`.
    Limit,
    /// The limit of all calls, `memoryTotal`.
    Total(Exhausted),
}

impl Memory {
    pub(super) fn new(limit: u64, share: Arc<MemoryShare>) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, share, used: 0, peak: 0, refusal: None }
    }

    async fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let used = self.used.saturating_add(more);
        let refusal = if used > self.limit {
            Some(Refusal::Limit)
        } else {
            self.share.reserve(more as u64).await.err().map(Refusal::Total)
        };
        if refusal.is_some() {
            self.refusal = refusal;
            // A trap, and not a failed growth: guests go on from that in ways of their own.
            return Err(wasmtime::Error::msg("the memory limit of the tool is reached"));
        }
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(true)
    }
}

#[async_trait]
impl ResourceLimiterAsync for Memory {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired).await
    }
    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current.saturating_mul(TABLE_ELEMENT), desired.saturating_mul(TABLE_ELEMENT)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_messages_ends_with_one_that_says_so() {
        let taken = |bytes: usize, times: usize| {
            let mut allowance = LogAllowance::default();
            (0..times).map(|_| allowance.take(bytes)).collect::<Vec<_>>()
        };
        for (bytes, fit) in [(10, 100), (4 << 10, 16), (65 << 10, 0)] {
            let flood = taken(bytes, 200);
            assert_eq!(flood.iter().filter(|logging| **logging == LogDecision::Logged).count(), fit);
            assert_eq!(flood[fit], LogDecision::FirstDropped);
            assert!(flood[fit + 1..].iter().all(|logging| *logging == LogDecision::Dropped));
        }
    }
}
