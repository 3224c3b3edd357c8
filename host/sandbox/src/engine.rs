//! The wasmtime engine: how components are compiled, where their instances live, and the tick that interrupts them.

use std::time::Duration;

use porthole_quota::MemoryTotal;
use tokio::runtime::Handle;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::executor::Executor;

/// Interval at which a computing component yields, and the precision of its measured time.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Tick under contention: a short call waits for a few of these, however many other calls there are.
const CONTENDED_TICK: Duration = Duration::from_millis(1);
/// Instances beyond the calls in flight: components that are being described while calls run.
const SPARE_INSTANCES: u32 = 4;
/// Core instances of one component: a Rust tool has 4, one in Python around 40.
const CORE_INSTANCES: u32 = 64;
/// Memories and tables of one component: a Rust tool has one of each, one in Python a few.
const MEMORIES: u32 = 4;
const TABLES: u32 = 8;
/// Max sizes of globals and tables, for JavaScript and Python guests; wasmtime's 1 MiB is too small for them.
const INSTANCE_BYTES: usize = 16 << 20;
const TABLE_ELEMENTS: usize = 200_000;
/// Bytes of an idle table that are cleared, and not returned to the kernel: those of a Rust tool, for which the system
/// call would cost more.
const TABLE_KEPT: usize = 8 << 10;
/// Bytes of an idle memory that are reset, and not returned to the kernel: more than a Rust tool writes in a short call,
/// which would otherwise fault each page in again. At most as many memories are idle as were in use at one time.
const MEMORY_KEPT: usize = 256 << 10;

/// Reason that components cannot run on this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses its configuration, for example on a processor that it does not know.
    #[error("WebAssembly cannot be run here: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The operating system gives no thread.
    #[error("no thread for the engine: {0}")]
    Thread(#[from] std::io::Error),
}

/// Configuration of code generation. The compiler, a process of its own, uses the same: code for another configuration is
/// not loaded.
pub(super) fn code() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // The contract has no `async func`, so the state for them is not needed in each store.
    config.concurrency_support(false);
    config
}

/// Compiles components, holds their instances, and runs them on threads of their own.
pub struct Engine {
    engine: wasmtime::Engine,
    pub(super) executor: Executor,
    /// Memory of all calls.
    pub memory: MemoryTotal,
    /// Instances live in a pool of reserved address space, which makes a new one ten times cheaper.
    pub pooled: bool,
}

impl Engine {
    /// An engine for `concurrency` calls at one time, none with more than `memory` bytes, all of them with no more than
    /// `total`.
    pub fn new(concurrency: u32, memory: u64, total: u64) -> Result<Self, EngineError> {
        let instances = concurrency.saturating_add(SPARE_INSTANCES);
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(instances)
            .total_stacks(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
            .total_memories(instances.saturating_mul(MEMORIES))
            .total_tables(instances.saturating_mul(TABLES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_component_instance_size(INSTANCE_BYTES)
            .max_core_instance_size(INSTANCE_BYTES)
            .table_elements(TABLE_ELEMENTS)
            .table_keep_resident(TABLE_KEPT)
            .max_memory_size(usize::try_from(memory).unwrap_or(usize::MAX));
        // Without the scan (Linux 6.7) the first bytes of each memory would be reset, written or not: the stack of a Rust
        // tool is a mebibyte, of which it uses the end.
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(MEMORY_KEPT);
        }
        let mut config = code();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        // The pool reserves terabytes of address space, which gVisor and `ulimit -v` refuse.
        let (engine, pooled) = match wasmtime::Engine::new(&config) {
            Ok(engine) => (engine, true),
            Err(_) => {
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                (wasmtime::Engine::new(&config).map_err(EngineError::Wasmtime)?, false)
            }
        };
        let executor = Executor::start()?;
        let contended = executor.contention();
        let weak = engine.weak();
        // The thread ends when the engine is dropped.
        std::thread::Builder::new().name("epochs".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(if contended() { CONTENDED_TICK } else { TICK });
            }
        })?;
        Ok(Self { engine, executor, memory: MemoryTotal::new(total), pooled })
    }

    /// The runtimes of the components' threads.
    pub fn runtimes(&self) -> Vec<Handle> {
        self.executor.runtimes()
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }
}
