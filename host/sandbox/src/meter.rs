//! CPU meter of one component: processor time of its thread inside of it, without waiting and without the host's work.
//!
//! Wall time between two ticks would also count the turns of others: a call that takes 127 ms alone was once charged four
//! seconds beside eight busy ones, and stopped for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

/// Min nanoseconds of a turn; a tick before that does not end it.
const MIN_TURN: u64 = 500_000;

/// The time of one component, and its limit. Only the thread that polls the component touches it.
pub(super) struct Meter {
    limit: Duration,
    /// Nanoseconds used.
    spent: AtomicU64,
    /// The thread's time, in nanoseconds, when the component was last entered.
    entered: AtomicU64,
    /// The thread's time when its turn began.
    began: AtomicU64,
    /// True while the component computes, false while the host works for it.
    in_guest: AtomicBool,
    /// True if a tick interrupted it since the last poll.
    yielded: AtomicBool,
}

impl Meter {
    pub(super) fn new(limit: Duration) -> Arc<Self> {
        let (spent, entered, began) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (in_guest, yielded) = (AtomicBool::new(true), AtomicBool::new(false));
        Arc::new(Self { limit, spent, entered, began, in_guest, yielded })
    }

    /// Pauses while the host works for the component that has called it; dropping the result resumes.
    pub(super) fn paused(self: &Arc<Self>) -> Paused {
        self.pause(thread_nanoseconds());
        self.in_guest.store(false, Relaxed);
        Paused(Arc::clone(self))
    }

    /// Handles a tick inside the component: yields to other calls, or interrupts it at its limit.
    pub(super) fn tick(&self) -> UpdateDeadline {
        let now = thread_nanoseconds();
        // Charged up to now, so that a component that never calls the host reaches its limit too.
        self.pause(now);
        self.resume(now);
        if self.is_over() {
            return UpdateDeadline::Interrupt;
        }
        // The tick may have been due long ago, while the host read: a turn that has just begun goes on.
        if self.turn(now) < MIN_TURN {
            return UpdateDeadline::Continue(1);
        }
        self.yielded.store(true, Relaxed);
        UpdateDeadline::Yield(1)
    }

    pub(super) fn is_over(&self) -> bool {
        self.spent() > self.limit
    }

    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// Returns and clears the mark that a tick interrupted it.
    pub(super) fn take_yielded(&self) -> bool {
        self.yielded.swap(false, Relaxed)
    }

    /// Begins a turn: the thread polls the component from now on.
    pub(super) fn begin_turn(&self) {
        let now = thread_nanoseconds();
        self.began.store(now, Relaxed);
        self.resume(now);
    }

    /// Ends a turn. Returns its duration, with the host's work for the component.
    pub(super) fn end_turn(&self) -> Duration {
        let now = thread_nanoseconds();
        self.pause(now);
        Duration::from_nanos(self.turn(now))
    }

    /// Nanoseconds of the turn so far.
    fn turn(&self, now: u64) -> u64 {
        now.saturating_sub(self.began.load(Relaxed))
    }

    /// Adds the thread's time since the component was entered.
    fn pause(&self, now: u64) {
        if self.in_guest.load(Relaxed) {
            self.spent.fetch_add(now.saturating_sub(self.entered.load(Relaxed)), Relaxed);
        }
    }

    /// Charges the thread's time to the component from now on.
    fn resume(&self, now: u64) {
        if self.in_guest.load(Relaxed) {
            self.entered.store(now, Relaxed);
        }
    }

    /// As if its turn had begun with the thread.
    #[cfg(test)]
    pub(super) fn age(&self) {
        self.began.store(0, Relaxed);
        while thread_nanoseconds() <= MIN_TURN {}
    }
}

/// A meter that does not charge; it charges again once this is dropped.
pub(super) struct Paused(Arc<Meter>);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.in_guest.store(true, Relaxed);
        self.0.resume(thread_nanoseconds());
    }
}

/// Processor time of the calling thread so far (`CLOCK_THREAD_CPUTIME_ID`).
pub(super) fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn thread_nanoseconds() -> u64 {
    u64::try_from(thread_time().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let began = thread_time();
        while thread_time().saturating_sub(began) < time {}
    }

    #[tokio::test]
    async fn neither_waiting_nor_the_hosts_work_is_charged() {
        let meter = Meter::new(Duration::from_secs(1));
        let work = async {
            burn(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(100)).await;
            burn(Duration::from_millis(20));
            let paused = meter.paused();
            burn(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(paused);
            burn(Duration::from_millis(20));
        };
        let mut work = Box::pin(work);
        std::future::poll_fn(|context| {
            meter.begin_turn();
            let polled = work.as_mut().poll(context);
            meter.end_turn();
            polled
        })
        .await;
        let spent = meter.spent();
        // The lower bound is exact; above it stands what the thread does between two readings of its clock.
        assert!(spent >= Duration::from_millis(60) && spent < Duration::from_millis(100), "{spent:?}");
        assert!(!meter.is_over());
    }

    #[test]
    fn a_component_over_its_limit_is_interrupted() {
        let meter = Meter::new(Duration::from_millis(1));
        meter.begin_turn();
        assert!(matches!(meter.tick(), UpdateDeadline::Continue(1)) && !meter.take_yielded());
        burn(Duration::from_nanos(MIN_TURN));
        assert!(matches!(meter.tick(), UpdateDeadline::Yield(1)));
        assert!(meter.take_yielded() && !meter.take_yielded());
        burn(Duration::from_millis(2));
        assert!(matches!(meter.tick(), UpdateDeadline::Interrupt));
    }
}
