//! Permits for concurrent calls and subscriptions, per host and per caller.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use porthole_identity::Owner;
use porthole_quota::{Account, PerAccount};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Maximum wait for a permit. Clients send bursts; a longer queue would only hide an overload.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of one caller's waiting requests. Each holds its arguments.
const MAX_WAITING: usize = 64;

/// Resource that permits limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Calls in flight.
    Calls,
    /// Subscriptions to catalog changes.
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
    /// Configuration key of the limit.
    fn key(self) -> &'static str {
        match self {
            Self::Calls => "concurrency",
            Self::Subscriptions => "sessions",
        }
    }
}

/// Error when no permit is available in time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The caller holds all of its permits.
    #[error(
        "{limit} {resource} of this account are open, its limit (`{}PerCaller`); ask again when some have ended",
        .resource.key()
    )]
    Caller {
        /// Limited resource.
        resource: Resource,
        /// Limit per caller.
        limit: u32,
    },
    /// All permits of the host are taken.
    #[error("{limit} {resource} are open, the limit of this host (`{}`); ask again in a moment", .resource.key())]
    Host {
        /// Limited resource.
        resource: Resource,
        /// Limit of the host.
        limit: u32,
    },
}

/// A permit for one call or subscription; released on drop.
#[derive(Debug)]
pub struct Permit {
    _caller: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// Permits for one resource.
pub(super) struct Permits {
    resource: Resource,
    host: Arc<Semaphore>,
    limit: u32,
    limit_per_caller: u32,
    callers: PerAccount,
}

impl Permits {
    pub(super) fn new(resource: Resource, limit: u32, limit_per_caller: u32) -> Self {
        let host = Arc::new(Semaphore::new(limit as usize));
        let callers = PerAccount::new(limit_per_caller as usize);
        Self { resource, host, limit, limit_per_caller, callers }
    }

    /// Acquires a permit, first from the caller's share, then from the host's.
    pub(super) async fn acquire(&self, owner: &Owner) -> Result<Permit, PermitError> {
        let own = self.callers.of(Account::of(owner));
        let busy = PermitError::Caller { resource: self.resource, limit: self.limit_per_caller };
        // `PerAccount` holds no strong reference; each waiting request and each permit holds one.
        if Arc::strong_count(&own) > MAX_WAITING.saturating_add(self.limit_per_caller as usize) {
            return Err(busy);
        }
        // The caller's share comes first, so that one caller's burst does not queue ahead of others for the host's
        // permits.
        let caller = timeout(QUEUE_TIMEOUT, own.acquire_owned()).await;
        let Ok(Ok(_caller)) = caller else {
            return Err(busy);
        };
        let host = timeout(QUEUE_TIMEOUT, Arc::clone(&self.host).acquire_owned()).await;
        let Ok(Ok(_host)) = host else {
            return Err(PermitError::Host { resource: self.resource, limit: self.limit });
        };
        Ok(Permit { _caller, _host })
    }
}
