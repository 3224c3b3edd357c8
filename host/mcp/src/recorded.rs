//! A mark that the call of a request is in the audit log: set by the handler, and missed by the endpoint, which records it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The mark of one request. Clones are of the same request.
#[derive(Clone, Default)]
pub(super) struct Recorded(Arc<AtomicBool>);

impl Recorded {
    /// The call is in the audit log, or will be.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
