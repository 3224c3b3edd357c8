//! The state of one instance: its empty WASI, its memory and time so far, and the call that it serves.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use wasmtime::{ResourceLimiter, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};

use super::{engine::TICK, output::Kept};
use crate::guard::Reading;

/// Open streams, pollables and the like of one call. A guest that opens more is in a loop.
const RESOURCES: usize = 1000;
/// Random bytes in one request (wasmtime's default is 64 MiB, allocated in the host).
const RANDOM_BYTES: u64 = 64 << 10;
/// Bytes of one table element in the host.
const TABLE_ELEMENT: usize = 8;

/// How far a tool has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: String,
}

/// How much a message of a tool matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// What a tool says while it works.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    Progress(Progress),
    Log(LogLevel, String),
}

/// The call that an instance serves.
pub(crate) struct CallContext {
    /// For the log.
    pub(crate) tool: String,
    pub(crate) reading: Reading,
    /// Namespaces to try where listing all of them is forbidden.
    pub(crate) namespaces: Vec<String>,
    /// Bytes of text that reach the caller.
    pub(crate) output: u32,
    /// Where notes go, if the client wants any. What does not fit is dropped.
    pub(crate) notes: Option<mpsc::Sender<Note>>,
}

/// Everything that belongs to one instance.
pub(super) struct State {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) memory: Memory,
    pub(super) time: GuestTime,
    /// None while the component describes itself: then every import of ours traps.
    call: Option<CallContext>,
    pub(super) said: Kept,
}

impl State {
    /// For describing: the clock stands at zero and the random source is constant.
    pub(super) fn describing(memory: u64, cpu: Duration) -> Self {
        Self::build(memory, cpu, None, |wasi| {
            wasi.wall_clock(Standstill)
                .monotonic_clock(Standstill)
                .secure_random(Deterministic::new(vec![7]))
                .insecure_random(Deterministic::new(vec![7]))
                .insecure_random_seed(7);
        })
    }

    pub(super) fn calling(memory: u64, cpu: Duration, call: CallContext) -> Self {
        Self::build(memory, cpu, Some(call), |_| {})
    }

    fn build(
        memory: u64,
        cpu: Duration,
        call: Option<CallContext>,
        more: impl FnOnce(&mut WasiCtxBuilder),
    ) -> Self {
        let said = Kept::default();
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(said.clone()).stderr(said.clone()).max_random_size(RANDOM_BYTES);
        // Nothing of wasi:sockets is linked; should that ever change, it stays shut.
        wasi.allow_tcp(false).allow_udp(false);
        more(&mut wasi);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            wasi: wasi.build(),
            table,
            memory: Memory {
                limit: usize::try_from(memory).unwrap_or(usize::MAX),
                used: 0,
                peak: 0,
                refused: false,
            },
            time: GuestTime { limit: cpu, spent: Duration::ZERO, entered: Instant::now() },
            call,
            said,
        }
    }

    /// The call being served. While a component describes itself there is none, and asking for it traps.
    pub(super) fn call(&self) -> wasmtime::Result<&CallContext> {
        self.call.as_ref().ok_or_else(|| {
            wasmtime::Error::msg("describe() may not use kube-read or call: it runs once, for nobody")
        })
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

/// A clock at zero.
struct Standstill;

impl HostWallClock for Standstill {
    fn resolution(&self) -> Duration {
        TICK
    }
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Standstill {
    fn resolution(&self) -> u64 {
        1
    }
    fn now(&self) -> u64 {
        0
    }
}

/// The bytes of an instance's memories and tables, and their limit.
pub(super) struct Memory {
    limit: usize,
    used: usize,
    pub(super) peak: usize,
    /// Growing was refused: what the component died of, if it died.
    pub(super) refused: bool,
}

impl Memory {
    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.refused = true;
            // A trap, and not a failed growth: guests go on from that in ways of their own.
            return Err(wasmtime::Error::msg("the memory limit of the tool is reached"));
        }
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired)
    }
    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current.saturating_mul(TABLE_ELEMENT), desired.saturating_mul(TABLE_ELEMENT))
    }
}

/// Time inside the component, without that spent waiting for the cluster.
pub(super) struct GuestTime {
    limit: Duration,
    spent: Duration,
    entered: Instant,
}

impl GuestTime {
    /// The component has called the host.
    pub(super) fn leave(&mut self) {
        // Between two ticks a component runs for about one; where more has passed, other calls had the processor.
        let stretch = self.entered.elapsed().min(TICK.saturating_mul(2));
        self.spent = self.spent.saturating_add(stretch);
    }

    /// The host returns to the component.
    pub(super) fn enter(&mut self) {
        self.entered = Instant::now();
    }

    /// At each tick inside the component: give way to other calls, or stop.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        self.leave();
        self.enter();
        if self.is_over() { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.spent > self.limit
    }

    pub(super) fn spent(&self) -> Duration {
        self.spent
    }
}
