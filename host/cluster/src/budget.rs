//! What one call may still take from the cluster.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use porthole_contract::{Failure, Reason};
use porthole_quota::{Account, Exhausted, MemoryShare};
use tokio::time::Instant;

/// How long, how much in all and how much at once. Shared by the reads that one call makes side by side.
pub struct ReadBudget {
    /// When an answer must be there, so that the component still has time to finish.
    pub(crate) deadline: Instant,
    /// Bytes that one answer may hand to the component.
    pub(crate) answer: usize,
    granted: u64,
    taken: AtomicU64,
    /// The call's share of the memory of all calls; None outside of a call.
    memory: Option<Arc<MemoryShare>>,
}

/// How long the API server may take for a review. Dify gives up on the whole connection after 30 s.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;

impl ReadBudget {
    /// The budget of a review outside of a call: 10 s and 256 KiB.
    pub fn for_review() -> Self {
        let now = Instant::now();
        Self::new(now.checked_add(REVIEW_TIME).unwrap_or(now), REVIEW_BYTES, usize::MAX)
    }

    /// A budget until `deadline`, of `bytes` in all and `answer` bytes at once.
    pub fn new(deadline: Instant, bytes: u64, answer: usize) -> Self {
        Self { deadline, answer, granted: bytes, taken: AtomicU64::new(0), memory: None }
    }

    /// The same, for answers that are held in a call's share of memory.
    pub fn within(self, memory: Arc<MemoryShare>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// The account of the call; the host's own outside of a call.
    pub(crate) fn account(&self) -> Account {
        self.memory.as_ref().map_or(Account::HOST, |memory| memory.account())
    }

    /// Reserves memory for bytes of an answer that are kept, until the call has ended.
    pub(crate) async fn hold(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        let Some(memory) = &self.memory else { return Ok(()) };
        memory.reserve(bytes as u64).await.map_err(|exhausted| throttled(exhausted, what))
    }

    /// Memory that one read needs while it works, nothing at first.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch(self.memory.as_deref().map(MemoryShare::apart))
    }

    /// Counts bytes that came from the API server.
    pub(crate) fn take(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        let taken = self.taken.fetch_add(bytes as u64, Relaxed).saturating_add(bytes as u64);
        if taken <= self.granted {
            return Ok(());
        }
        Err(Failure::new(
            Reason::OverBytes,
            format!(
                "{what}: this call has read more than its limit of {} bytes (`readBytes`); narrow it with a namespace, a selector or a limit",
                self.granted
            ),
        ))
    }

    /// Refuses an answer that would not fit into the component.
    pub(crate) fn fits(&self, bytes: usize, what: &str) -> Result<(), Failure> {
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

    /// Bytes read so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }
}

/// Memory of a read that is under way. Dropping it gives everything back, though the call goes on.
pub(crate) struct Scratch(Option<MemoryShare>);

impl Scratch {
    /// Reserves what is missing to `bytes` in all.
    pub(crate) async fn hold_up_to(&self, bytes: usize, what: &str) -> Result<(), Failure> {
        let Some(memory) = &self.0 else { return Ok(()) };
        memory.reserve_up_to(bytes as u64).await.map_err(|exhausted| throttled(exhausted, what))
    }
}

fn throttled(exhausted: Exhausted, what: &str) -> Failure {
    Failure::new(Reason::Throttled, format!("{what}: {exhausted}"))
}
