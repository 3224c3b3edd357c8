//! Memory budget of all calls together (`limits.memoryTotal`), shared by caller.
//!
//! `limits.memory` bounds one call; eight calls of 118 MB by one caller would still kill a container of 512 MiB. Memory
//! is reserved before it is allocated, and released when the call ends.

mod cgroup;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Account, PerAccount};
use cgroup::available_memory;

/// Granularity of the budget: a page of WebAssembly.
const UNIT: u64 = 64 << 10;
/// Max wait for memory. Calls take milliseconds, so a longer wait means a flood ahead in the queue.
const MAX_WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };
/// Divisor of the budget for one caller's share, so that another caller always finds memory.
const SHARE_DIVISOR: u64 = 2;

/// Default budget if the available memory is unknown.
const UNKNOWN_MEMORY: u64 = 512 << 20;

/// Default budget of all calls in bytes: three fifths of the memory that this process may use. The rest is for the host
/// itself, compiled tools, and answers in transit.
pub fn default_memory_total() -> u64 {
    available_memory().map_or(UNKNOWN_MEMORY, |bytes| bytes / 5 * 3)
}

/// All calls together, or all calls of one caller, would exceed their share of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the calls in flight take all the memory that they may take together ({} MiB, `memoryTotal`); ask again in a moment",
    .total >> 20
)]
pub struct Exhausted {
    total: u64,
}

/// Memory budget shared by all calls.
#[derive(Debug)]
pub struct MemoryTotal {
    bytes: u64,
    all: Arc<Semaphore>,
    /// Share of each caller that has a call in flight.
    callers: PerAccount,
}

impl MemoryTotal {
    /// Creates a budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        let callers = PerAccount::new(permits(bytes / SHARE_DIVISOR / UNIT));
        Self { bytes, all: Arc::new(Semaphore::new(permits(bytes / UNIT))), callers }
    }

    /// An empty share for one call of this account.
    pub fn share(&self, account: Account) -> MemoryShare {
        let (all, caller) = (Arc::clone(&self.all), self.callers.of(account));
        MemoryShare { account, total: self.bytes, all, caller, reservation: Mutex::default() }
    }
}

/// Memory reserved by one call. Dropping it releases everything.
#[derive(Debug)]
pub struct MemoryShare {
    account: Account,
    total: u64,
    all: Arc<Semaphore>,
    caller: Arc<Semaphore>,
    reservation: Mutex<Reservation>,
}

#[derive(Debug, Default)]
struct Reservation {
    bytes: u64,
    units: u64,
    permits: Vec<OwnedSemaphorePermit>,
}

impl MemoryShare {
    /// A second, empty share of the same caller, for memory that is released before the call ends.
    pub fn sibling(&self) -> Self {
        let (all, caller) = (Arc::clone(&self.all), Arc::clone(&self.caller));
        Self { account: self.account, total: self.total, all, caller, reservation: Mutex::default() }
    }

    /// The account of the call.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Raises the reservation to `bytes` in total, if it is below.
    pub async fn reserve_up_to(&self, bytes: u64) -> Result<(), Exhausted> {
        let reserved = self.reservation().bytes;
        self.reserve(bytes.saturating_sub(reserved)).await
    }

    /// Reserves `bytes` more; waits up to two seconds if other calls hold them.
    pub async fn reserve(&self, bytes: u64) -> Result<(), Exhausted> {
        // Counted before waiting: concurrent reads of one call must not reserve the same rest of a unit.
        let missing = self.reservation().grow(bytes);
        let acquired = match missing {
            0 => return Ok(()),
            // A request above the caller's share would wait in vain.
            units if units > self.total / SHARE_DIVISOR / UNIT => None,
            units => self.acquire(units).await,
        };
        let mut reservation = self.reservation();
        match acquired {
            Some(acquired) => {
                reservation.add(acquired);
                Ok(())
            }
            None => {
                reservation.bytes = reservation.bytes.saturating_sub(bytes);
                reservation.units = reservation.units.saturating_sub(missing);
                Err(Exhausted { total: self.total })
            }
        }
    }

    /// Acquires the caller's own permits first, so that its flood queues there and not ahead of other callers.
    async fn acquire(&self, units: u64) -> Option<[OwnedSemaphorePermit; 2]> {
        let units = u32::try_from(units).ok()?;
        let acquire = async {
            let caller = Arc::clone(&self.caller).acquire_many_owned(units).await.ok()?;
            Some([caller, Arc::clone(&self.all).acquire_many_owned(units).await.ok()?])
        };
        timeout(MAX_WAIT, acquire).await.ok()?
    }

    fn reservation(&self) -> std::sync::MutexGuard<'_, Reservation> {
        self.reservation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Counts `bytes` more. Returns the units to acquire for them.
    fn grow(&mut self, bytes: u64) -> u64 {
        self.bytes = self.bytes.saturating_add(bytes);
        let missing = self.bytes.div_ceil(UNIT).saturating_sub(self.units);
        self.units = self.units.saturating_add(missing);
        missing
    }

    /// Merges the permits into one per semaphore, however often memory grows.
    fn add(&mut self, acquired: [OwnedSemaphorePermit; 2]) {
        if self.permits.is_empty() {
            self.permits.extend(acquired);
            return;
        }
        for (held, more) in self.permits.iter_mut().zip(acquired) {
            held.merge(more);
        }
    }
}

/// Clamps to the semaphore's own maximum (no machine has 2^60 units of memory).
fn permits(units: u64) -> usize {
    usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}
