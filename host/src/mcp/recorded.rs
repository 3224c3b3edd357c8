//! Whether the call of a request is in the audit log: the handler says so, and the endpoint records it otherwise.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the audit log has the call of a request. Clones are of the same request.
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
