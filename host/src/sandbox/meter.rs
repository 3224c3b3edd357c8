//! Processor time of one component: what its thread used inside of it, without waiting and without the host's own work.
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

use wasmtime::UpdateDeadline;

use super::executor::thread_time;

/// The time of one component, and its limit. Only the thread that polls the component touches it.
pub(super) struct Meter {
    limit: Duration,
    /// Nanoseconds so far.
    spent: AtomicU64,
    /// The thread's time, in nanoseconds, when the component was last entered.
    entered: AtomicU64,
    /// The component computes, and not the host for it.
    inside: AtomicBool,
}

impl Meter {
    pub(super) fn new(limit: Duration) -> Arc<Self> {
        let (spent, entered) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { limit, spent, entered, inside: AtomicBool::new(true) })
    }

    /// The component has called the host.
    pub(super) fn leave(&self) {
        self.pause();
        self.inside.store(false, Relaxed);
    }

    /// The host returns to the component.
    pub(super) fn enter(&self) {
        self.inside.store(true, Relaxed);
        self.resume();
    }

    /// At each tick inside the component: gives way to other calls, or stops it.
    pub(super) fn tick(&self) -> UpdateDeadline {
        self.pause();
        self.resume();
        if self.is_over() { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.spent() > self.limit
    }

    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// Adds what the thread has used since the component was entered.
    fn pause(&self) {
        if self.inside.load(Relaxed) {
            let stretch = now().saturating_sub(self.entered.load(Relaxed));
            self.spent.fetch_add(stretch, Relaxed);
        }
    }

    fn resume(&self) {
        if self.inside.load(Relaxed) {
            self.entered.store(now(), Relaxed);
        }
    }
}

/// A future whose polls the meter sees: between two of them another thread's clock may count.
pub(super) fn metered<F: Future>(meter: Arc<Meter>, future: F) -> impl Future<Output = F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        meter.resume();
        let polled = future.as_mut().poll(context);
        meter.pause();
        polled
    })
}

fn now() -> u64 {
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
            meter.leave();
            burn(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(10)).await;
            meter.enter();
            burn(Duration::from_millis(20));
        };
        metered(Arc::clone(&meter), work).await;
        let spent = meter.spent();
        // The lower bound is exact; above it stands what the thread does between two readings of its clock.
        assert!(spent >= Duration::from_millis(60) && spent < Duration::from_millis(100), "{spent:?}");
        assert!(!meter.is_over());
    }

    #[test]
    fn a_component_over_its_limit_is_interrupted() {
        let meter = Meter::new(Duration::from_millis(1));
        meter.resume();
        assert!(matches!(meter.tick(), UpdateDeadline::Yield(1)));
        burn(Duration::from_millis(2));
        assert!(matches!(meter.tick(), UpdateDeadline::Interrupt));
    }
}
