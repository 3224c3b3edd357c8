//! Callers as seen by queues and budgets: an opaque key without a name.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

/// Key of the caller that work is done for. Equal for equal callers within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(u64);

impl Account {
    /// The host itself, when loading a component.
    pub const HOST: Self = Self(0);

    /// Hashes a caller into its account. Clients can neither predict the hash nor provoke collisions: the hasher is
    /// keyed at random.
    pub fn of(caller: &impl Hash) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASHER.hash_one(caller))
    }
}

/// One semaphore for each account with work in flight.
#[derive(Debug)]
pub struct PerAccount {
    permits: usize,
    semaphores: Mutex<HashMap<Account, Weak<Semaphore>>>,
}

impl PerAccount {
    /// Creates semaphores with this many permits each.
    pub fn new(permits: usize) -> Self {
        Self { permits, semaphores: Mutex::default() }
    }

    /// The account's semaphore. It is dropped with its last permit.
    pub fn of(&self, account: Account) -> Arc<Semaphore> {
        let mut semaphores = self.semaphores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = semaphores.get(&account).and_then(Weak::upgrade) {
            return known;
        }
        // Pruned at each insertion, so the map holds only accounts that have work.
        semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.permits));
        semaphores.insert(account, Arc::downgrade(&new));
        new
    }
}
