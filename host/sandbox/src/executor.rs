//! Executor for components: a thread for each processor, on which callers take turns.
//!
//! A component computes for up to a tick before it yields, and the host works for it in between. On the threads that
//! answer other clients, eight busy components would delay every client. Here a call stays on one thread, with the
//! connections that it opened: on threads that share their tasks, each of its wakes would wake a second thread that looks
//! for more, and what a call costs would grow by a fifth. Turns go to the caller that has used the least processor time.

#[cfg(test)]
mod tests;
mod turns;

use std::{io, iter, sync::Arc, thread};

use porthole_quota::Account;
use tokio::runtime::{Builder, Handle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use super::meter::Meter;
use turns::{TurnFuture, Turns};

/// Tasks that a thread polls before it checks for I/O. It also checks between two turns of computing components.
const POLLS: u32 = 16;

/// Threads that run components, and read the cluster for them.
pub(super) struct Executor {
    first: ComponentThread,
    others: Vec<ComponentThread>,
    /// Ends the threads, and with them what they still run.
    _stop: DropGuard,
}

/// One thread, with a runtime of its own.
struct ComponentThread {
    handle: Handle,
    turns: Arc<Turns>,
}

impl Executor {
    /// Starts a thread for each processor of the machine, or of the cgroup's quota.
    pub(super) fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let stop = CancellationToken::new();
        // Made first, so that if a thread cannot be started, those before it end.
        let guard = stop.clone().drop_guard();
        let first = ComponentThread::start(stop.clone())?;
        let others =
            (1..processors).map(|_| ComponentThread::start(stop.clone())).collect::<io::Result<_>>()?;
        Ok(Self { first, others, _stop: guard })
    }

    /// The threads' runtimes, for connections that components read through.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        self.threads().map(|thread| thread.handle.clone()).collect()
    }

    fn threads(&self) -> impl Iterator<Item = &ComponentThread> {
        iter::once(&self.first).chain(&self.others)
    }

    /// Returns a check that is true while a component computes for long and another call waits.
    pub(super) fn contention(&self) -> impl Fn() -> bool + Send + use<> {
        let turns: Vec<_> = self.threads().map(|thread| Arc::clone(&thread.turns)).collect();
        move || {
            let loads = turns.iter().map(|turns| turns.load());
            let (heavy, all) = loads.fold((0, 0), |(heavy, all): (usize, usize), (more_heavy, more)| {
                (heavy.saturating_add(more_heavy), all.saturating_add(more))
            });
            heavy > 0 && all > 1
        }
    }

    /// Runs a future in the turns of `account`, on the thread that has the least to do. Dropping the handle drops the
    /// future.
    pub(super) fn spawn<F>(
        &self,
        account: Account,
        meter: Arc<Meter>,
        future: F,
    ) -> AbortOnDropHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // Without a lock: the loads may change meanwhile, and a call on the second best thread only waits longer.
        let least = |one: &'_ ComponentThread, other: &ComponentThread| other.turns.load() < one.turns.load();
        let thread =
            self.others.iter().fold(&self.first, |one, other| if least(one, other) { other } else { one });
        let future = TurnFuture::new(Arc::clone(&thread.turns), account, meter, future);
        AbortOnDropHandle::new(thread.handle.spawn(future))
    }
}

impl ComponentThread {
    fn start(stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(POLLS)
            // A call is spawned from another thread; by default it would wait behind up to 31 local tasks.
            .global_queue_interval(1)
            .build()?;
        let (handle, turns) = (runtime.handle().clone(), Arc::new(Turns::default()));
        runtime.spawn(Arc::clone(&turns).dispatch());
        thread::Builder::new()
            .name("components".to_owned())
            .spawn(move || runtime.block_on(stop.cancelled_owned()))?;
        Ok(Self { handle, turns })
    }
}
