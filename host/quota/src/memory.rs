//! Memory budget of all calls together (`limits.memoryTotal`), shared out by caller.
//!
//! `limits.memory` bounds one call; eight calls of 118 MB by one caller would still take a container of 512 MiB down. What
//! a call needs is reserved before it is allocated, and given back when the call has ended.

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
use cgroup::usable;

/// Granularity of the budget: a page of WebAssembly.
const UNIT: u64 = 64 << 10;
/// How long a call waits for memory. Calls take milliseconds, so whoever waits longer stands behind a flood.
const WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };
/// One caller may hold one of this many parts of the budget, so that another always finds room.
const PARTS: u64 = 2;

/// The budget of all calls on a machine that does not say what it has.
const UNKNOWN_MEMORY: u64 = 512 << 20;

/// The budget of all calls without a configured one, in bytes: three fifths of what this process may use. The rest is for
/// the host itself, compiled tools, and answers on their way.
pub fn default_memory_total() -> u64 {
    usable().map_or(UNKNOWN_MEMORY, |bytes| bytes / 5 * 3)
}

/// All calls together, or all calls of one caller, need more than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the calls in flight take all the memory that they may take together ({} MiB, `memoryTotal`); ask again in a moment",
    .total >> 20
)]
pub struct Exhausted {
    total: u64,
}

/// The budget of all calls.
#[derive(Debug)]
pub struct MemoryTotal {
    bytes: u64,
    all: Arc<Semaphore>,
    /// The part of each caller that has a call in flight.
    callers: PerAccount,
}

impl MemoryTotal {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        let callers = PerAccount::new(permits(bytes / PARTS / UNIT));
        Self { bytes, all: Arc::new(Semaphore::new(permits(bytes / UNIT))), callers }
    }

    /// The share of one call of this caller, empty at first.
    pub fn share(&self, account: Account) -> MemoryShare {
        let (all, caller) = (Arc::clone(&self.all), self.callers.of(account));
        MemoryShare { account, total: self.bytes, all, caller, held: Mutex::default() }
    }
}

/// What one call has reserved. Dropping it gives everything back.
#[derive(Debug)]
pub struct MemoryShare {
    account: Account,
    total: u64,
    all: Arc<Semaphore>,
    caller: Arc<Semaphore>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    units: u64,
    permits: Vec<OwnedSemaphorePermit>,
}

impl MemoryShare {
    /// Another share of the same caller, empty at first: for what is given back before the call ends.
    pub fn apart(&self) -> Self {
        let (all, caller) = (Arc::clone(&self.all), Arc::clone(&self.caller));
        Self { account: self.account, total: self.total, all, caller, held: Mutex::default() }
    }

    /// The account of the call.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Reserves what is missing to `bytes` in all.
    pub async fn reserve_up_to(&self, bytes: u64) -> Result<(), Exhausted> {
        let held = self.held().bytes;
        self.reserve(bytes.saturating_sub(held)).await
    }

    /// Reserves `bytes` more, and waits a moment where others hold them.
    pub async fn reserve(&self, bytes: u64) -> Result<(), Exhausted> {
        // Counted before waiting: reads of one call are made side by side.
        let missing = self.held().grow(bytes);
        let acquired = match missing {
            0 => return Ok(()),
            // More than there is would wait for nothing.
            units if units > self.total / PARTS / UNIT => None,
            units => self.acquire(units).await,
        };
        let mut held = self.held();
        match acquired {
            Some(acquired) => {
                held.add(acquired);
                Ok(())
            }
            None => {
                held.bytes = held.bytes.saturating_sub(bytes);
                held.units = held.units.saturating_sub(missing);
                Err(Exhausted { total: self.total })
            }
        }
    }

    /// First among the caller's own: its flood queues there, and not before everybody.
    async fn acquire(&self, units: u64) -> Option<[OwnedSemaphorePermit; 2]> {
        let units = u32::try_from(units).ok()?;
        let acquire = async {
            let caller = Arc::clone(&self.caller).acquire_many_owned(units).await.ok()?;
            Some([caller, Arc::clone(&self.all).acquire_many_owned(units).await.ok()?])
        };
        timeout(WAIT, acquire).await.ok()?
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Counts `bytes` more. Returns the units that are to be acquired for them.
    fn grow(&mut self, bytes: u64) -> u64 {
        self.bytes = self.bytes.saturating_add(bytes);
        let missing = self.bytes.div_ceil(UNIT).saturating_sub(self.units);
        self.units = self.units.saturating_add(missing);
        missing
    }

    /// Keeps the permits: one for each semaphore, however often memory grows.
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

/// Permits of a semaphore, which has an upper bound of its own (beyond 2^60 units no machine has memory).
fn permits(units: u64) -> usize {
    usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}
