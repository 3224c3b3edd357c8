//! How many calls are in flight, and how many subscriptions are open: in all, and for each caller.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::identity::Owner;

/// How long one waits for a place. Clients send bursts; a longer queue would only hide that there are too many.
const TURN: Duration = Duration::from_secs(5);

/// Calls of one caller that may wait for a place. Each holds its arguments.
const MAX_WAITING: usize = 64;

/// What takes places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Calls,
    Subscriptions,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Subscriptions => "subscriptions",
        })
    }
}

impl Of {
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
pub(crate) enum Busy {
    /// This caller's others take all of its places.
    #[error(
        "{most} {what} of this account are open, its limit (`{}PerCaller`); ask again when some have ended",
        .what.key()
    )]
    Caller { what: Of, most: u32 },
    /// All places are taken.
    #[error("{most} {what} are open, the limit of this host (`{}`); ask again in a moment", .what.key())]
    Host { what: Of, most: u32 },
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Slot {
    _caller: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// The places for one kind of thing.
pub(super) struct Places {
    what: Of,
    host: Arc<Semaphore>,
    most: u32,
    most_per_caller: u32,
    /// Only callers that have a place or wait for one are here.
    callers: Mutex<HashMap<Owner, Weak<Semaphore>>>,
}

impl Places {
    pub(super) fn new(what: Of, most: u32, most_per_caller: u32) -> Self {
        let host = Arc::new(Semaphore::new(most as usize));
        Self { what, host, most, most_per_caller, callers: Mutex::default() }
    }

    /// Waits for a place, first among the caller's own, then among all.
    pub(super) async fn enter(&self, owner: &Owner) -> Result<Slot, Busy> {
        let own = self.places_of(owner);
        let busy = Busy::Caller { what: self.what, most: self.most_per_caller };
        // The map holds no strong reference; everybody that waits or has a place does.
        if Arc::strong_count(&own) > MAX_WAITING.saturating_add(self.most_per_caller as usize) {
            return Err(busy);
        }
        let caller = timeout(TURN, own.acquire_owned()).await;
        let Ok(Ok(_caller)) = caller else {
            return Err(busy);
        };
        let host = timeout(TURN, Arc::clone(&self.host).acquire_owned()).await;
        let Ok(Ok(_host)) = host else {
            return Err(Busy::Host { what: self.what, most: self.most });
        };
        Ok(Slot { _caller, _host })
    }

    fn places_of(&self, owner: &Owner) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = callers.get(owner).and_then(Weak::upgrade) {
            return places;
        }
        callers.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.most_per_caller as usize));
        callers.insert(owner.clone(), Arc::downgrade(&places));
        places
    }
}
