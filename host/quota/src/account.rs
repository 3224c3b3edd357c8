//! A caller as queues and budgets see it: something to take turns by, without a name.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

/// The caller that work is done for. Equal for equal callers within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(u64);

impl Account {
    /// The host itself, when it loads a component.
    pub const HOST: Self = Self(0);

    /// The account of a caller, by a hash that clients can neither predict nor collide with.
    pub fn of(caller: &impl Hash) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASHER.hash_one(caller))
    }
}

/// A semaphore for each account that has something in flight.
#[derive(Debug)]
pub struct PerAccount {
    permits: usize,
    semaphores: Mutex<HashMap<Account, Weak<Semaphore>>>,
}

impl PerAccount {
    /// Semaphores of this many permits.
    pub fn new(permits: usize) -> Self {
        Self { permits, semaphores: Mutex::default() }
    }

    /// The semaphore of an account. It is forgotten with its last permit.
    pub fn of(&self, account: Account) -> Arc<Semaphore> {
        let mut semaphores = self.semaphores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = semaphores.get(&account).and_then(Weak::upgrade) {
            return known;
        }
        semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.permits));
        semaphores.insert(account, Arc::downgrade(&new));
        new
    }
}
