//! Heavy work off the async threads: matching, unpacking and parsing, on as many threads at once as there are processors.
//!
//! An async thread that searches a log answers nobody else, not even `/healthz`.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Failure, Reason};

/// How long a job works before it gives others their turn.
const SLICE: Duration = Duration::from_millis(20);

/// The turn of a job: when it should give way, and when nobody waits for it any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    slice: Instant,
    deadline: Instant,
}

impl Turn {
    fn begin(deadline: Instant) -> Self {
        let now = Instant::now();
        Self { slice: now.checked_add(SLICE).unwrap_or(now), deadline }
    }

    /// Whether others should have their turn now.
    pub(super) fn is_over(self) -> bool {
        let now = Instant::now();
        now >= self.slice || now >= self.deadline
    }

    /// Whether the call's time is over: what is not done now is in vain.
    pub(super) fn is_late(self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The turn of a job that is short.
    pub(super) fn endless() -> Self {
        let now = Instant::now();
        let far = now.checked_add(Duration::from_secs(3600)).unwrap_or(now);
        Self { slice: far, deadline: far }
    }

    #[cfg(test)]
    pub(super) fn over() -> Self {
        Self { slice: Instant::now(), deadline: Instant::now() }
    }
}

/// A bounded number of threads for heavy work, in the order in which it is asked for.
pub(crate) struct Workers {
    permits: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        let threads = available_parallelism().map_or(2, std::num::NonZero::get);
        Self { permits: Arc::new(Semaphore::new(threads)) }
    }
}

impl Workers {
    /// Runs a job once it is its turn. It goes on to its end although nobody waits, so it must look at its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        what: &str,
        job: impl FnOnce(Turn) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        // A timeout asks its future first, which would let a job begin that is late.
        if Instant::now() >= deadline {
            return Err(Failure::over_time(what));
        }
        let failed = |cause: &str| Failure::new(Reason::Other, format!("{what}: {cause}"));
        let permit = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Failure::over_time(what))?
            .map_err(|_| failed("the host is stopping"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            job(Turn::begin(deadline))
        });
        done.await.map_err(|_| failed("a fault of the host; its log says more"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_jobs_run_at_once_than_there_are_processors() {
        let workers = Arc::new(Workers::default());
        let threads = workers.permits.available_permits();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let deadline = Instant::now() + Duration::from_secs(20);
        let jobs = (0..threads * 4).map(|_| {
            let (workers, running, most) = (Arc::clone(&workers), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let job = move |_: Turn| {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::sleep(Duration::from_millis(10));
                    running.fetch_sub(1, SeqCst);
                };
                workers.run(deadline, "x", job).await.unwrap();
            })
        });
        for job in jobs.collect::<Vec<_>>() {
            job.await.unwrap();
        }
        assert!((1..=threads).contains(&most.load(SeqCst)));
    }

    #[tokio::test]
    async fn a_job_that_is_late_does_not_begin() {
        let failure = Workers::default().run(Instant::now(), "x", |_| panic!("it began")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::OverTime);
    }
}
