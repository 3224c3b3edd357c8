//! Permits for calls in flight and open subscriptions: in all, and per caller.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use porthole_identity::Owner;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Maximum wait for a permit. Clients send bursts; a longer queue would only hide that there are too many.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls of one caller that may wait for a permit. Each holds its arguments.
const MAX_WAITING: usize = 64;

/// The resource that permits are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Calls in flight.
    Calls,
    /// Subscriptions to changes.
    Subscriptions,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Subscriptions => "subscriptions",
        })
    }
}

impl Resource {
    /// The key of the limit in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::Calls => "concurrency",
            Self::Subscriptions => "sessions",
        }
    }
}

/// Why a call or a subscription did not begin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// This caller's others take all of its permits.
    #[error(
        "{most} {what} of this account are open, its limit (`{}PerCaller`); ask again when some have ended",
        .what.key()
    )]
    Caller {
        /// The resource.
        what: Resource,
        /// Its limit per caller.
        most: u32,
    },
    /// All permits are taken.
    #[error("{most} {what} are open, the limit of this host (`{}`); ask again in a moment", .what.key())]
    Host {
        /// The resource.
        what: Resource,
        /// Its limit.
        most: u32,
    },
}

/// A permit; dropping it returns it.
#[derive(Debug)]
pub struct Permit {
    _caller: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// The permits for one kind of thing.
pub(super) struct Permits {
    what: Resource,
    host: Arc<Semaphore>,
    most: u32,
    most_per_caller: u32,
    /// Only callers that have a place or wait for one are here.
    callers: Mutex<HashMap<Owner, Weak<Semaphore>>>,
}

impl Permits {
    pub(super) fn new(what: Resource, most: u32, most_per_caller: u32) -> Self {
        let host = Arc::new(Semaphore::new(most as usize));
        Self { what, host, most, most_per_caller, callers: Mutex::default() }
    }

    /// Waits for a place, first among the caller's own, then among all.
    pub(super) async fn acquire(&self, owner: &Owner) -> Result<Permit, Busy> {
        let own = self.permits_of(owner);
        let busy = Busy::Caller { what: self.what, most: self.most_per_caller };
        // The map holds no strong reference; everybody that waits or has a place does.
        if Arc::strong_count(&own) > MAX_WAITING.saturating_add(self.most_per_caller as usize) {
            return Err(busy);
        }
        let caller = timeout(QUEUE_TIMEOUT, own.acquire_owned()).await;
        let Ok(Ok(_caller)) = caller else {
            return Err(busy);
        };
        let host = timeout(QUEUE_TIMEOUT, Arc::clone(&self.host).acquire_owned()).await;
        let Ok(Ok(_host)) = host else {
            return Err(Busy::Host { what: self.what, most: self.most });
        };
        Ok(Permit { _caller, _host })
    }

    fn permits_of(&self, owner: &Owner) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permits) = callers.get(owner).and_then(Weak::upgrade) {
            return permits;
        }
        callers.retain(|_, permits| permits.strong_count() > 0);
        let permits = Arc::new(Semaphore::new(self.most_per_caller as usize));
        callers.insert(owner.clone(), Arc::downgrade(&permits));
        permits
    }
}
