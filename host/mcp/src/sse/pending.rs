//! Open requests of a session.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::RequestId;

/// Maximum number of open requests per session: a client that never reads must not grow the host's memory.
const MAX_PENDING: usize = 64;

/// Ids of a session's open requests. An answer is sent only if it removes an id from this set, so each request gets
/// exactly one, no matter which side sends it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashSet<RequestId>>>);

/// Result of adding a request id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AddResult {
    New,
    /// An open request has the same id.
    Duplicate,
    TooMany,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ids(&self) -> Vec<RequestId> {
        self.lock().iter().cloned().collect()
    }

    pub(super) fn add(&self, id: &RequestId) -> AddResult {
        let mut ids = self.lock();
        if ids.contains(id) {
            return AddResult::Duplicate;
        }
        if ids.len() >= MAX_PENDING {
            return AddResult::TooMany;
        }
        ids.insert(id.clone());
        AddResult::New
    }

    /// Removes an id; false if it was not open.
    pub(super) fn remove(&self, id: &RequestId) -> bool {
        self.lock().remove(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_answered_once() {
        let pending = Pending::default();
        let id = RequestId::Number(0);
        assert_eq!(pending.add(&id), AddResult::New);
        assert_eq!(pending.add(&id), AddResult::Duplicate);
        assert!(pending.remove(&id));
        assert!(!pending.remove(&id));
        for n in 0..i64::try_from(MAX_PENDING).unwrap() {
            assert_eq!(pending.add(&RequestId::Number(n)), AddResult::New);
        }
        assert_eq!(pending.add(&RequestId::Number(-1)), AddResult::TooMany);
    }
}
