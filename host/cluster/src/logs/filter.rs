//! Feeds a log to what consumes its lines, as it arrives and off the async threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use porthole_contract::Failure;

use crate::{
    ReadBudget,
    budget::Scratch,
    server::BoundedResponse,
    work::{TimeSlice, Workers},
};

/// Min bytes to search in one job: switching threads costs more than searching a few bytes.
const BATCH: usize = 64 << 10;

/// State of a consumer after a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeedStatus {
    /// There is room for more.
    NeedsMore,
    /// Nothing more is needed.
    Full,
    /// The time slice is over before the end of these bytes.
    SliceOver,
}

/// Consumer of the bytes of a log.
pub(super) trait Sink: Send + 'static {
    /// Consumes the bytes of `log` from `at` on, and advances `at` to the first unprocessed byte.
    fn feed(&mut self, log: &[u8], at: &mut usize, slice: TimeSlice) -> FeedStatus;
    /// Consumes the current line as complete, including a last line without a line break.
    fn end_line(&mut self);
    /// True if an incomplete line is buffered.
    fn within_line(&self) -> bool;
    /// Bytes held now.
    fn bytes(&self) -> usize;
}

/// A consumer, and its memory reservation. Shared, because a job may outlive the call that awaits it.
pub(super) struct Shared<S> {
    sink: Mutex<S>,
    memory: Scratch,
}

impl<S> Shared<S> {
    pub(super) fn new(sink: S, memory: Scratch) -> Arc<Self> {
        Arc::new(Self { sink: Mutex::new(sink), memory })
    }

    /// Raises the reservation of memory.
    pub(super) async fn hold_up_to(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        self.memory.hold_up_to(bytes, what).await
    }

    pub(super) fn sink(&self) -> MutexGuard<'_, S> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reason for the end of a read that met no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// The log ended.
    Log,
    /// The consumer needs nothing more.
    Full,
    /// The read's own limit.
    Limit,
}

/// Read of one log. Its consumer runs in place, or on a worker.
pub(super) struct Filter<'w, S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) workers: Option<&'w Workers>,
    pub(super) budget: &'w ReadBudget,
    pub(super) what: &'w str,
    /// Max bytes to read.
    pub(super) limit: u64,
}

impl<S: Sink> Filter<'_, S> {
    /// Reads until the log ends, a limit is reached or the consumer is full.
    pub(super) async fn read(
        &self,
        answer: &mut BoundedResponse<'_>,
        bytes_read: &mut u64,
    ) -> Result<ReadEnd, Failure> {
        let mut batch = Vec::new();
        loop {
            let next = match answer.chunk().now_or_never() {
                Some(next) => next,
                None => {
                    // Search the batch before waiting for more: a quiet log would delay its lines otherwise.
                    if self.feed(&mut batch).await? == FeedStatus::Full {
                        return Ok(ReadEnd::Full);
                    }
                    answer.chunk().await
                }
            };
            let ended = match next {
                Ok(Some(chunk)) => {
                    *bytes_read = bytes_read.saturating_add(chunk.len() as u64);
                    batch.extend_from_slice(&chunk);
                    if *bytes_read < self.limit {
                        if batch.len() < BATCH {
                            continue;
                        }
                        None
                    } else {
                        Some(Ok(ReadEnd::Limit))
                    }
                }
                Ok(None) => Some(Ok(ReadEnd::Log)),
                Err(failure) => Some(Err(failure)),
            };
            if self.feed(&mut batch).await? == FeedStatus::Full {
                return Ok(ReadEnd::Full);
            }
            match ended {
                None => {}
                Some(Ok(ReadEnd::Log)) => {
                    self.end().await?;
                    return Ok(ReadEnd::Log);
                }
                // The rest of a log that breaks off is half a line, perhaps with half a secret that no rule knows.
                Some(ended) => return ended,
            }
        }
    }

    /// Feeds a batch, one time slice after another.
    async fn feed(&self, batch: &mut Vec<u8>) -> Result<FeedStatus, Failure> {
        // The batch plus the most that is kept of it: twice, because folding holds a copy of a line.
        let most = self.shared.sink().bytes().saturating_add(batch.len().saturating_mul(3));
        self.shared.hold_up_to(most, self.what).await?;
        let Some(workers) = self.workers else {
            let batch = std::mem::take(batch);
            // Without a pattern and a masker a batch is only copied, so it needs no worker and cannot exceed its time
            // slice.
            return Ok(self.shared.sink().feed(&batch, &mut 0, TimeSlice::unlimited()));
        };
        let bytes = Arc::new(std::mem::take(batch));
        let mut at = 0;
        while at < bytes.len() {
            let (shared, bytes) = (Arc::clone(&self.shared), Arc::clone(&bytes));
            let job = move |slice| {
                let progress = shared.sink().feed(&bytes, &mut at, slice);
                (at, progress)
            };
            let progress;
            (at, progress) = workers.run(self.budget, self.what, job).await?;
            if progress == FeedStatus::Full {
                return Ok(FeedStatus::Full);
            }
        }
        Ok(FeedStatus::NeedsMore)
    }

    /// Ends the last line if it has no line break.
    async fn end(&self) -> Result<(), Failure> {
        if let Some(workers) = self.workers.filter(|_| self.shared.sink().within_line()) {
            let shared = Arc::clone(&self.shared);
            workers.run(self.budget, self.what, move |_| shared.sink().end_line()).await?;
        }
        Ok(())
    }
}
