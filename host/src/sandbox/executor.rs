//! Executor for components: a runtime of their own, on which callers take turns.
//!
//! A component computes for up to a tick before it gives way, and the host works for it in between. On the threads that
//! answer other clients, eight busy components would delay everybody. Here only as many are polled at one time as there
//! are processors, and each turn goes to the caller that has used the least processor time: one short call waits for the
//! rest of a tick, however many calls another caller makes.

#[cfg(test)]
mod tests;
mod turns;

use std::{io, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::account::Account;
use turns::Turns;

/// A runtime that runs components, and reads the cluster for them.
pub(super) struct Executor {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    turns: Arc<Turns>,
}

impl Executor {
    /// Starts a thread for each processor of the machine, or of the cgroup's quota, and one more: connections move on
    /// while every processor computes.
    pub(super) fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = Builder::new_multi_thread()
            .worker_threads(processors.saturating_add(1))
            .thread_name("components")
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), turns: Turns::new(processors) })
    }

    /// The runtime, for connections that components read through.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Tells whether a component waits for its turn.
    pub(super) fn contention(&self) -> impl Fn() -> bool + Send + use<> {
        let turns = Arc::clone(&self.turns);
        move || turns.are_wanted()
    }

    /// Runs a future in the turns of `account`. Dropping the handle drops the future.
    pub(super) fn spawn<F>(&self, account: Account, future: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        AbortOnDropHandle::new(self.handle.spawn(turns::in_turn(Arc::clone(&self.turns), account, future)))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for what is polled just now is not allowed on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Processor time of the calling thread so far (`CLOCK_THREAD_CPUTIME_ID`).
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds)
}
