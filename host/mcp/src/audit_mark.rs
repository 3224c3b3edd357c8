//! Audit mark of a request: set by the handler once the call is audited; if it is missing, the endpoint audits the
//! call.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Audit mark of one request, shared by its clones.
#[derive(Clone, Default)]
pub(super) struct AuditMark(Arc<AtomicBool>);

impl AuditMark {
    /// Marks the call as audited, or certain to be.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
