//! Executor for components: threads of their own, on which callers take turns.
//!
//! A component computes for up to a tick before it gives way, and the host works for it in between. On the threads that
//! answer other clients, eight busy components would delay everybody. Here each turn goes to the caller that has used
//! the least processor time, so one short call waits for the rest of a tick, however many calls another caller makes.
//!
//! The queue is ours because no executor on crates.io takes turns by owner; tasks and wakers are `async-task`'s.

mod queue;
#[cfg(test)]
mod tests;

use std::{io, pin::Pin, sync::Arc, time::Duration};

use async_task::{Builder, Task};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use crate::account::Account;
use queue::Queue;

/// Threads that run components.
pub(super) struct Executor {
    queue: Arc<Queue>,
}

impl Executor {
    /// Starts as many threads as the machine, or the quota of the cgroup, has processors.
    pub(super) fn start() -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("components".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self { queue })
    }

    /// Runs a future when it is the turn of `account`; timers and connections stay with the current tokio runtime.
    /// Dropping the task drops the future at the account's next turn.
    pub(super) fn spawn<F>(&self, account: Account, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let queue = Arc::clone(&self.queue);
        let schedule = move |runnable| queue.push(account, runnable);
        // A panic is for whoever awaits the task, and not for the thread.
        let builder = Builder::new().propagate_panic(true);
        let (runnable, task) = builder.spawn(|()| within(Handle::current(), Box::pin(future)), schedule);
        runnable.schedule();
        task
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Polls a future in the context of a runtime: what it spawns and waits for belongs there.
fn within<F: Future>(runtime: Handle, mut future: Pin<Box<F>>) -> impl Future<Output = F::Output> {
    std::future::poll_fn(move |context| {
        let _entered = runtime.enter();
        future.as_mut().poll(context)
    })
}

fn work(queue: &Queue) {
    while let Some((account, runnable)) = queue.next() {
        let before = thread_time();
        runnable.run();
        queue.ran(account, thread_time().saturating_sub(before));
    }
}

/// Processor time of the calling thread so far (`CLOCK_THREAD_CPUTIME_ID`).
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds)
}
