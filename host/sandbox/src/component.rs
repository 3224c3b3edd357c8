//! One loaded component: checked, linked, described; and its calls.

use std::{sync::Arc, time::Duration};

use porthole_contract::{CallLimits, Outcome, Printable, truncate};
use porthole_guard::ReadSummary;
use porthole_quota::{Account, Exhausted};
use tokio::{
    task::JoinError,
    time::{Instant, timeout_at},
};
use wasmtime::Store;

use super::{
    CallContext, Description, Engine,
    compile::{Code, CompileError},
    contract::{LinkError, Tool},
    description::DescriptionError,
    imports,
    meter::Meter,
    state::{Memory, Refusal, State},
};

/// Wall-clock limit of `describe`. Interpreters start slowly, and other components may occupy the processor.
const DESCRIBE_TIME: Duration = Duration::from_secs(10);
/// CPU limit of `describe`: a description is a constant. One that loops delays loading for this long.
const DESCRIBE_CPU: Duration = Duration::from_secs(2);
/// Max bytes of a fault's cause in an error.
const MAX_CAUSE: usize = 1 << 10;
/// Bytes that one call of a host function may bring from the component (wasmtime's default is 128 MiB).
const HOSTCALL_BYTES: usize = 4 << 20;

/// Max bytes of foreign text in an error.
const MAX_REASON: usize = 256;

/// Reason that a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no code of it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It imports something that tools do not have.
    #[error("it imports {}, and {}", imports::list_names(.0), imports::reason(.0))]
    Imports(Vec<String>),
    /// It is not a tool of a version of the contract that this host serves.
    #[error("it is not a tool: {}", Printable(truncate(&.0.to_string(), MAX_REASON)))]
    NotATool(#[from] LinkError),
    /// `describe` trapped, or ran out of time or memory.
    #[error("describe() failed: {}", Printable(truncate(.0, MAX_REASON)))]
    Describe(String),
    /// Calls in flight left `describe` no memory.
    #[error(transparent)]
    Memory(Exhausted),
    /// Its description is refused.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

/// A limit of the host that ended a call. The text names its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("it took longer than its limit of {0:?} (`timeout`)")]
    Timeout(Duration),
    #[error("it computed for longer than its limit of {0:?} (`cpu`)")]
    Cpu(Duration),
    #[error("it needed more than its limit of {} MiB (`memory`)", .0 >> 20)]
    Memory(u64),
}

/// Reason that a call has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// The tool's own answer: what went wrong, for the model.
    Error(String),
    /// The host stopped it.
    Limit(Limit),
    /// All calls together had no memory left for it.
    Memory(Exhausted),
    /// The component trapped.
    Fault(String),
}

/// Result of a call, with its resource usage.
#[derive(Debug)]
pub struct RunReport {
    /// Outcome, or the reason that there is none.
    pub result: Result<Outcome, RunError>,
    /// Its reads.
    pub reads: ReadSummary,
    /// Time inside the component.
    pub cpu: Duration,
    /// Peak memory in bytes.
    pub memory: usize,
}

/// A component that can be called.
pub struct Component {
    engine: Arc<Engine>,
    tool: Arc<Tool>,
}

impl Component {
    /// Checks what compiled code imports, and links it.
    pub fn link(engine: &Arc<Engine>, code: &Code) -> Result<Self, LoadError> {
        let ty = code.0.component_type();
        let refused = imports::denied(ty.imports(engine.wasmtime()).map(|(name, _)| name));
        if !refused.is_empty() {
            return Err(LoadError::Imports(refused));
        }
        let tool = Arc::new(Tool::link(engine, &code.0)?);
        Ok(Self { engine: Arc::clone(engine), tool })
    }

    /// Asks the component what it is, within `memory` bytes.
    pub async fn describe(&self, memory: u64) -> Result<Description, LoadError> {
        let share = Arc::new(self.engine.memory.share(Account::HOST));
        let (meter, memory) = (Meter::new(DESCRIBE_CPU), Memory::new(memory, share));
        let mut store = self.store(State::describing(memory, Arc::clone(&meter)));
        let tool = Arc::clone(&self.tool);
        let until = deadline(DESCRIBE_TIME);
        let job = async move {
            match timeout_at(until, tool.describe(&mut store)).await {
                Ok(Ok(description)) => Ok(Description::parse(description)?),
                Ok(Err(error)) => Err(match store.data().memory.refusal {
                    Some(Refusal::Total(exhausted)) => LoadError::Memory(exhausted),
                    _ => LoadError::Describe(cause(&error, store.data())),
                }),
                Err(_) => Err(LoadError::Describe(format!("it took longer than {DESCRIBE_TIME:?}"))),
            }
        };
        let described = self.engine.executor.spawn(Account::HOST, meter, job).await;
        described.unwrap_or_else(|error| Err(LoadError::Describe(join_error(error))))
    }

    /// Serves one call in a fresh instance. Dropping the future stops the component; `permit` is held until it has ended.
    pub async fn call(
        &self,
        arguments: String,
        call: CallContext,
        limits: CallLimits,
        permit: impl Send + 'static,
    ) -> RunReport {
        let memory = Memory::new(limits.memory, Arc::clone(&call.memory));
        let meter = Meter::new(limits.cpu);
        let (account, until) = (call.account, deadline(limits.timeout));
        let mut store = self.store(State::calling(memory, Arc::clone(&meter), call));
        let tool = Arc::clone(&self.tool);
        let job = async move {
            let served = timeout_at(until, tool.run(&mut store, &arguments)).await;
            let report = report(served.ok(), store.into_data(), &limits);
            // After `into_data` has dropped the instance: permits bound the instances that exist.
            drop(permit);
            report
        };
        let report = self.engine.executor.spawn(account, meter, job).await;
        report.unwrap_or_else(|error| RunReport {
            result: Err(RunError::Fault(join_error(error))),
            reads: ReadSummary::default(),
            cpu: Duration::ZERO,
            memory: 0,
        })
    }

    fn store(&self, state: State) -> Store<State> {
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter_async(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_epoch_deadline(1);
        // A timer alone never stops a component that computes: it must yield at each tick.
        store.epoch_deadline_callback(|store| Ok(store.data().meter.tick()));
        store
    }
}

/// Report of a call; `served` is `None` if its time ran out.
fn report(
    served: Option<wasmtime::Result<Result<Outcome, String>>>,
    state: State,
    limits: &CallLimits,
) -> RunReport {
    let result = match served {
        None => Err(RunError::Limit(Limit::Timeout(limits.timeout))),
        Some(Ok(Ok(outcome))) => Ok(outcome),
        Some(Ok(Err(text))) => Err(RunError::Error(text)),
        // A trap is the effect of a refused growth or an exceeded limit, so those come first.
        Some(Err(error)) => Err(match state.memory.refusal {
            Some(Refusal::Limit) => RunError::Limit(Limit::Memory(limits.memory)),
            Some(Refusal::Total(exhausted)) => RunError::Memory(exhausted),
            None if state.meter.is_over() => RunError::Limit(Limit::Cpu(limits.cpu)),
            None => RunError::Fault(cause(&error, &state)),
        }),
    };
    let (cpu, memory, output) = (state.meter.spent(), state.memory.peak, state.output.text());
    let call = state.into_call();
    if !output.is_empty() {
        tracing::debug!(tool = call.as_ref().map(|call| &*call.tool), "printed: {}", Printable(&output));
    }
    let reads = call.map(|call| call.reader.summary()).unwrap_or_default();
    RunReport { result, reads, cpu, memory }
}

/// Error of a task without a result. A panic is resumed in the awaiting task, as if there were no task in between.
fn join_error(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => "the host is stopping".to_owned(),
    }
}

fn deadline(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

/// The innermost cause, without the frames of the component.
fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

/// The cause of a trap, and what the component printed last: a panic's message is there.
fn cause(error: &wasmtime::Error, state: &State) -> String {
    let output = state.output.text();
    match output.trim().lines().next_back() {
        Some(last) if !last.is_empty() => {
            format!("{} ({})", root(error), Printable(truncate(last, MAX_CAUSE)))
        }
        _ => root(error),
    }
}
