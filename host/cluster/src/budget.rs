//! Read budget of one call: time, bytes and memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use porthole_contract::{Failure, Reason};
use porthole_quota::{Account, Exhausted, MemoryShare};
use tokio::time::Instant;

/// Deadline, total bytes, bytes of logs to search and bytes per answer, shared by the concurrent reads of one call.
pub struct ReadBudget {
    /// Deadline for an answer, so that the component still has time to finish.
    pub(crate) deadline: Instant,
    /// Max bytes of one answer to the component.
    pub(crate) answer: usize,
    limit: u64,
    taken: AtomicU64,
    log_limit: u64,
    log_taken: AtomicU64,
    masked: AtomicU64,
    masked_values: AtomicU64,
    retries: AtomicU32,
    /// Milliseconds waited for retries.
    waited: AtomicU64,
    /// The call's share of the memory of all calls; `None` outside of a call.
    memory: Option<Arc<MemoryShare>>,
}

/// Purpose of received bytes, which have a limit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They may reach the component.
    Read,
    /// The host searches them, and few of them reach the component.
    Search,
}

/// Max requests of a call that repeat one which the API server was too busy for, and max time waited for them together.
/// Of each read's own, a call of hundreds of reads would load a busy API server threefold.
const MAX_RETRIES: u32 = 4;
const MAX_WAITED: Duration = Duration::from_secs(6);

/// Max time of a review. Dify gives up the whole connection after 30 s.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;
/// Max bytes of a discovery outside of a call. A kind takes some 300, and of one with many short names and verbs more.
const DISCOVERY_BYTES: u64 = 32 << 20;

impl ReadBudget {
    /// Creates the budget of a review outside of a call: 10 s and 256 KiB.
    pub fn for_review() -> Self {
        Self::outside_of_a_call(REVIEW_BYTES)
    }

    /// Creates the budget of a discovery outside of a call: 10 s and 32 MiB.
    pub fn for_discovery() -> Self {
        Self::outside_of_a_call(DISCOVERY_BYTES)
    }

    fn outside_of_a_call(bytes: u64) -> Self {
        let now = Instant::now();
        Self::new(now.checked_add(REVIEW_TIME).unwrap_or(now), bytes, usize::MAX)
    }

    /// Creates a budget until `deadline`, of `bytes` in total and `answer` bytes per answer.
    pub fn new(deadline: Instant, bytes: u64, answer: usize) -> Self {
        Self {
            deadline,
            answer,
            limit: bytes,
            taken: AtomicU64::new(0),
            log_limit: bytes,
            log_taken: AtomicU64::new(0),
            masked: AtomicU64::new(0),
            masked_values: AtomicU64::new(0),
            retries: AtomicU32::new(0),
            waited: AtomicU64::new(0),
            memory: None,
        }
    }

    /// Sets the bytes of logs that the host may search, instead of as many as it may read.
    pub fn with_log_bytes(self, bytes: u64) -> Self {
        Self { log_limit: bytes, ..self }
    }

    /// Charges answers to a call's share of memory.
    pub fn with_memory(self, memory: Arc<MemoryShare>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// The account of the call; the host's own outside of a call.
    pub(crate) fn account(&self) -> Account {
        self.memory.as_ref().map_or(Account::HOST, |memory| memory.account())
    }

    /// Reserves memory for bytes of an answer until the call ends.
    pub(crate) async fn hold(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        let Some(memory) = &self.memory else { return Ok(()) };
        memory.reserve(bytes as u64).await.map_err(|exhausted| memory_error(exhausted, what))
    }

    /// Scratch memory of one read, empty at first.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch(self.memory.as_deref().map(MemoryShare::sibling))
    }

    /// Counts bytes received from the API server.
    pub(crate) fn take(&self, bytes: usize, purpose: Purpose, what: &str) -> Result<(), Failure> {
        let (counter, limit, rest) = match purpose {
            Purpose::Read => {
                (&self.taken, self.limit, "(`readBytes`); narrow it with a namespace, a selector or a limit")
            }
            Purpose::Search => (
                &self.log_taken,
                self.log_limit,
                "of logs to search (`logBytes`); narrow it with a time or fewer lines",
            ),
        };
        // Checked after counting: concurrent reads must not all pass on the same rest of the budget.
        let taken = counter.fetch_add(bytes as u64, Relaxed).saturating_add(bytes as u64);
        if taken <= limit {
            return Ok(());
        }
        Err(Failure::new(
            Reason::OverBytes,
            format!("{what}: this call has read more than its limit of {limit} bytes {rest}"),
        ))
    }

    /// Takes a retry after `wait` from the call's allowance; false if too little of it is left.
    pub(crate) fn take_retry(&self, wait: Duration) -> bool {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let waited = |waited: u64| {
            Some(waited.saturating_add(wait)).filter(|all| u128::from(*all) <= MAX_WAITED.as_millis())
        };
        let retries = |retries: u32| (retries < MAX_RETRIES).then_some(retries.saturating_add(1));
        // The wait first: one that is too long takes no retry from a read whose wait is shorter.
        self.waited.fetch_update(Relaxed, Relaxed, waited).is_ok()
            && self.retries.fetch_update(Relaxed, Relaxed, retries).is_ok()
    }

    /// Rejects an answer that would not fit into the component.
    ///
    /// # Errors
    ///
    /// [`Reason::TooLarge`] if it has more bytes than one answer may have.
    pub fn check_size(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        if bytes <= self.answer {
            return Ok(());
        }
        Err(Failure::new(
            Reason::TooLarge,
            format!(
                "{what}: the answer is over {} bytes (an eighth of the tool's `memory`); ask for fields, a table or less",
                self.answer
            ),
        ))
    }

    /// Counts masks in text that is handed to the component.
    pub(crate) fn count_masked(&self, masks: u64) {
        self.masked.fetch_add(masks, Relaxed);
    }

    /// Secrets masked so far.
    pub fn masked(&self) -> u64 {
        self.masked.load(Relaxed)
    }

    /// Counts values of objects that the operator's masks replaced.
    pub(crate) fn count_masked_values(&self, values: u64) {
        self.masked_values.fetch_add(values, Relaxed);
    }

    /// Values of objects that the operator's masks replaced so far.
    pub fn masked_values(&self) -> u64 {
        self.masked_values.load(Relaxed)
    }

    /// Bytes read so far, those of searches included.
    pub fn bytes_read(&self) -> u64 {
        self.taken.load(Relaxed).saturating_add(self.log_taken.load(Relaxed))
    }
}

/// Memory of a read in progress. Dropping it releases everything, while the call continues.
pub(crate) struct Scratch(Option<MemoryShare>);

impl Scratch {
    /// Raises the reservation to `bytes` in total, if it is below.
    pub(crate) async fn hold_up_to(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        let Some(memory) = &self.0 else { return Ok(()) };
        memory.reserve_up_to(bytes as u64).await.map_err(|exhausted| memory_error(exhausted, what))
    }
}

fn memory_error(exhausted: Exhausted, what: &str) -> Failure {
    Failure::new(Reason::Throttled, format!("{what}: {exhausted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_of_a_call_have_a_number_and_a_time_in_common() {
        let budget = || ReadBudget::new(Instant::now(), 0, 0);
        let (seconds, short) = (Duration::from_secs, Duration::from_millis(250));
        let few = budget();
        assert_eq!([(); 6].map(|()| few.take_retry(short)), [true, true, true, true, false, false]);
        let long = budget();
        assert_eq!([4, 3, 2, 1].map(|wait| long.take_retry(seconds(wait))), [true, false, true, false]);
        assert!(!budget().take_retry(Duration::MAX));
    }
}
