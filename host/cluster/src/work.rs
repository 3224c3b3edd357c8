//! CPU-heavy work off the async threads: searching, unpacking and parsing, with at most one job per core, and one per
//! caller.
//!
//! An async thread that searches a log would answer no other request, not even `/healthz`.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use porthole_contract::{Failure, Reason};
use porthole_quota::PerAccount;
use tokio::{
    sync::{AcquireError, Semaphore},
    time::{Instant, timeout_at},
};

use super::{ReadBudget, failure};

/// Max run time of a job before it yields.
const SLICE: Duration = Duration::from_millis(20);
/// Max concurrent jobs of one account. The attack: eight calls that each search 64 logs, ahead of every other caller.
const JOBS_PER_ACCOUNT: usize = 1;

/// Time slice of a job: the time to yield, and the time when the result is no longer awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeSlice {
    end: Instant,
    deadline: Instant,
}

impl TimeSlice {
    fn begin(deadline: Instant) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(SLICE).unwrap_or(now), deadline }
    }

    /// True if the job should yield.
    pub(super) fn is_over(self) -> bool {
        let now = Instant::now();
        now >= self.end || now >= self.deadline
    }

    /// True if the call's deadline has passed: further work is wasted.
    pub(super) fn is_past_deadline(self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The time slice of a short job.
    pub(super) fn unlimited() -> Self {
        let now = Instant::now();
        let far = now.checked_add(Duration::from_secs(3600)).unwrap_or(now);
        Self { end: far, deadline: far }
    }

    #[cfg(test)]
    pub(super) fn over() -> Self {
        Self { end: Instant::now(), deadline: Instant::now() }
    }
}

/// Bounded number of worker threads. Jobs queue in order: first within their account, then among all accounts.
pub struct Workers {
    permits: Arc<Semaphore>,
    accounts: PerAccount,
}

impl Default for Workers {
    fn default() -> Self {
        let threads = available_parallelism().map_or(2, std::num::NonZero::get);
        Self::of(threads)
    }
}

impl Workers {
    fn of(threads: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(threads)), accounts: PerAccount::new(JOBS_PER_ACCOUNT) }
    }

    /// Runs a job on a worker. The job continues even if the caller stops waiting, so it must check its time slice.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        budget: &ReadBudget,
        what: &str,
        job: impl FnOnce(TimeSlice) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let deadline = budget.deadline;
        // `timeout_at` polls its future first, which would start a job after its deadline.
        if Instant::now() >= deadline {
            return Err(failure::over_time(what));
        }
        let failed = |cause: &str| Failure::new(Reason::Other, format!("{what}: {cause}"));
        let own = self.accounts.of(budget.account());
        let permits = timeout_at(deadline, async {
            Ok::<_, AcquireError>([
                own.acquire_owned().await?,
                Arc::clone(&self.permits).acquire_owned().await?,
            ])
        });
        let permits = permits
            .await
            .map_err(|_| failure::over_time(what))?
            .map_err(|_| failed("the host is stopping"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _permits = permits;
            job(TimeSlice::begin(deadline))
        });
        done.await.map_err(|_| failed("a fault of the host; its log says more"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    };

    use porthole_quota::{Account, MemoryTotal};

    use super::*;

    /// Budget of a call by this caller.
    fn budget(caller: u32, time: Duration) -> ReadBudget {
        let memory = Arc::new(MemoryTotal::new(1 << 20).share(Account::of(&caller)));
        ReadBudget::new(Instant::now() + time, 0, 0).with_memory(memory)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_jobs_run_at_once_than_there_are_processors_nor_than_there_are_callers() {
        for (callers, most_at_once) in [(16, 3), (1, 1)] {
            let workers = Arc::new(Workers::of(3));
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let jobs = (0..16).map(|n| {
                let (workers, running, most) =
                    (Arc::clone(&workers), Arc::clone(&running), Arc::clone(&most));
                tokio::spawn(async move {
                    let job = move |_: TimeSlice| {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::thread::sleep(Duration::from_millis(10));
                        running.fetch_sub(1, SeqCst);
                    };
                    let budget = budget(n % callers, Duration::from_secs(20));
                    workers.run(&budget, "x", job).await.unwrap();
                })
            });
            for job in jobs.collect::<Vec<_>>() {
                job.await.unwrap();
            }
            assert!((1..=most_at_once).contains(&most.load(SeqCst)), "{callers}: {most:?}");
        }
    }

    #[tokio::test]
    async fn a_caller_with_many_jobs_keeps_nobody_out() {
        let workers = Arc::new(Workers::of(2));
        let (greedy, other) = (budget(1, Duration::from_secs(20)), budget(2, Duration::from_secs(5)));
        let (greedy, (let_go, held)) = (Arc::new(greedy), mpsc::channel::<()>());
        let held = Arc::new(std::sync::Mutex::new(held));
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                let (workers, greedy, held) = (Arc::clone(&workers), Arc::clone(&greedy), Arc::clone(&held));
                let job = move |_: TimeSlice| assert!(held.lock().unwrap().recv().is_err());
                tokio::spawn(async move { workers.run(&greedy, "x", job).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(workers.run(&other, "x", |_| 7).await.unwrap(), 7);
        drop(let_go);
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        assert_eq!(workers.permits.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_job_that_is_late_does_not_begin() {
        let late = budget(1, Duration::ZERO);
        let failure = Workers::default().run(&late, "x", |_| panic!("it began")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::OverTime);
    }
}
