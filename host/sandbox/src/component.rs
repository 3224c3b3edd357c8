//! One loaded component: checked, linked, described; and its calls.

use std::{sync::Arc, time::Duration};

use porthole_contract::{CallLimits, Outcome, Printable, cut};
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
    contract::{Tool, Unlinkable},
    description::DescriptionError,
    imports,
    meter::Meter,
    state::{Memory, Refused, State},
};

/// Wall clock of describing. Interpreters start slowly, and other components may have the processor.
const DESCRIBE_TIME: Duration = Duration::from_secs(10);
/// Processor time of describing: a description is a constant. One that loops holds a loading up for this long.
const DESCRIBE_CPU: Duration = Duration::from_secs(2);
/// Bytes of a fault's cause that are told.
const MAX_CAUSE: usize = 1 << 10;
/// Bytes that one call of a host function may bring from the component (wasmtime's default is 128 MiB).
const HOSTCALL_BYTES: usize = 4 << 20;

/// Bytes of words of a component, or about it, that a reason repeats.
const MAX_REASON: usize = 256;

/// Reason that a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no code of it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It imports something that tools do not have.
    #[error("it imports {}, and {}", imports::named(.0), imports::why(.0))]
    Imports(Vec<String>),
    /// It is not a tool of a version of the contract that this host serves.
    #[error("it is not a tool: {}", Printable(cut(&.0.to_string(), MAX_REASON)))]
    NotATool(#[from] Unlinkable),
    /// `describe` trapped, or ran out of time or memory.
    #[error("describe() failed: {}", Printable(cut(.0, MAX_REASON)))]
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
pub enum Stopped {
    /// The tool's own answer: what went wrong, for the model.
    Error(String),
    /// The host stopped it.
    Limit(Limit),
    /// All calls together had no memory left for it.
    Memory(Exhausted),
    /// The component trapped.
    Fault(String),
}

/// A call that has ended, one way or the other.
#[derive(Debug)]
pub struct Finished {
    /// Its outcome, or why there is none.
    pub result: Result<Outcome, Stopped>,
    /// Its reads.
    pub reads: ReadSummary,
    /// Time inside the component.
    pub cpu: Duration,
    /// Bytes of memory at the most.
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
        let refused = imports::refused(ty.imports(engine.wasmtime()).map(|(name, _)| name));
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
                Ok(Err(error)) => Err(match store.data().memory.refused {
                    Some(Refused::Total(exhausted)) => LoadError::Memory(exhausted),
                    _ => LoadError::Describe(explained(&error, store.data())),
                }),
                Err(_) => Err(LoadError::Describe(format!("it took longer than {DESCRIBE_TIME:?}"))),
            }
        };
        let described = self.engine.executor.spawn(Account::HOST, meter, job).await;
        described.unwrap_or_else(|error| Err(LoadError::Describe(interrupted(error))))
    }

    /// Serves one call in a fresh instance. Dropping the future ends the component; `permit` is held until it has ended.
    pub async fn call(
        &self,
        arguments: String,
        call: CallContext,
        limits: CallLimits,
        permit: impl Send + 'static,
    ) -> Finished {
        let memory = Memory::new(limits.memory, Arc::clone(&call.memory));
        let meter = Meter::new(limits.cpu);
        let (account, until) = (call.account, deadline(limits.timeout));
        let mut store = self.store(State::calling(memory, Arc::clone(&meter), call));
        let tool = Arc::clone(&self.tool);
        let job = async move {
            let served = timeout_at(until, tool.run(&mut store, &arguments)).await;
            let finished = finished(served.ok(), store.into_data(), &limits);
            drop(permit);
            finished
        };
        let finished = self.engine.executor.spawn(account, meter, job).await;
        finished.unwrap_or_else(|error| Finished {
            result: Err(Stopped::Fault(interrupted(error))),
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
        // A timer alone never stops a component that computes: it must give way at each tick.
        store.epoch_deadline_callback(|store| Ok(store.data().meter.tick()));
        store
    }
}

/// The end of a call: its outcome, or None where its time ran out.
fn finished(
    served: Option<wasmtime::Result<Result<Outcome, String>>>,
    state: State,
    limits: &CallLimits,
) -> Finished {
    let result = match served {
        None => Err(Stopped::Limit(Limit::Timeout(limits.timeout))),
        Some(Ok(Ok(outcome))) => Ok(outcome),
        Some(Ok(Err(text))) => Err(Stopped::Error(text)),
        Some(Err(error)) => Err(match state.memory.refused {
            Some(Refused::Limit) => Stopped::Limit(Limit::Memory(limits.memory)),
            Some(Refused::Total(exhausted)) => Stopped::Memory(exhausted),
            None if state.meter.is_over() => Stopped::Limit(Limit::Cpu(limits.cpu)),
            None => Stopped::Fault(explained(&error, &state)),
        }),
    };
    let (cpu, memory, said) = (state.meter.spent(), state.memory.peak, state.said.text());
    let call = state.into_call();
    if !said.is_empty() {
        tracing::debug!(tool = call.as_ref().map(|call| &*call.tool), "printed: {}", Printable(&said));
    }
    let reads = call.map(|call| call.reader.summary()).unwrap_or_default();
    Finished { result, reads, cpu, memory }
}

/// Error of a task without a result. A panic is resumed in the awaiting task, as if there were no task in between.
fn interrupted(error: JoinError) -> String {
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
fn explained(error: &wasmtime::Error, state: &State) -> String {
    let said = state.said.text();
    match said.trim().lines().next_back() {
        Some(last) if !last.is_empty() => format!("{} ({})", root(error), Printable(cut(last, MAX_CAUSE))),
        _ => root(error),
    }
}
