//! How many calls are in flight: in all, and for each caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::identity::Owner;

/// How long a call waits for its turn. Clients send bursts; a longer queue would only hide that there are too many.
const TURN: Duration = Duration::from_secs(5);

/// Why a call did not begin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Busy {
    /// This caller's other calls take all of its places.
    #[error(
        "{0} calls of this account are in flight, its limit (`concurrencyPerCaller`); ask again when some have ended"
    )]
    Caller(u32),
    /// All places are taken.
    #[error("{0} calls are in flight, the limit of this host (`concurrency`); ask again in a moment")]
    Host(u32),
}

/// A place in flight; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    _caller: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// The places for calls.
pub(super) struct InFlight {
    host: Arc<Semaphore>,
    most: u32,
    most_per_caller: u32,
    /// Only callers with a call in flight or waiting are here.
    callers: Mutex<HashMap<Owner, Weak<Semaphore>>>,
}

impl InFlight {
    pub(super) fn new(most: u32, most_per_caller: u32) -> Self {
        let host = Arc::new(Semaphore::new(most as usize));
        Self { host, most, most_per_caller, callers: Mutex::default() }
    }

    /// Waits for a place, first among the caller's own, then among all.
    pub(super) async fn enter(&self, owner: &Owner) -> Result<Slot, Busy> {
        let own = self.places_of(owner);
        let caller = timeout(TURN, own.acquire_owned()).await;
        let Ok(Ok(_caller)) = caller else {
            return Err(Busy::Caller(self.most_per_caller));
        };
        let host = timeout(TURN, Arc::clone(&self.host).acquire_owned()).await;
        let Ok(Ok(_host)) = host else {
            return Err(Busy::Host(self.most));
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
