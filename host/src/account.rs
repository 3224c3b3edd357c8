//! A caller as queues and budgets see it: something to take turns by, without a name.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::LazyLock,
};

/// The caller that work is done for. Equal for equal callers within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Account(u64);

impl Account {
    /// The host itself, when it loads a component.
    pub(crate) const HOST: Self = Self(0);

    /// The account of a caller, by a hash that clients can neither predict nor collide with.
    pub(crate) fn of(caller: &impl Hash) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASHER.hash_one(caller))
    }
}
