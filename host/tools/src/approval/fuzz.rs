//! Oracle of the lock of approvals: what is read approves reading alone, and is read again as it was written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use porthole_contract::controls_display;

use super::{ApprovalMode, Decision, Declaration, MAX_APPROVALS, decide, lock};

/// A lock is refused in a short line, or holds approvals whose own reads they imply, and which survive being written.
pub fn approvals(data: &[u8]) {
    let approvals = match lock::parse(data) {
        Ok(approvals) => approvals,
        Err(error) => {
            assert!(error.len() < 1500, "a reason of {} bytes", error.len());
            return assert!(!error.chars().any(controls_display), "{error:?}");
        }
    };
    assert!(approvals.iter().count() <= MAX_APPROVALS);
    for (name, approval) in approvals.iter() {
        let declared = Declaration {
            name,
            version: &approval.version,
            digest: &approval.digest,
            reads: &approval.reads,
        };
        assert_eq!(decide(ApprovalMode::Always, &[approval], &declared), Decision::Approved, "{approval:?}");
        assert!(!approval.by.chars().chain(approval.at.chars()).any(controls_display));
        for rule in approval.reads.rules() {
            assert!(!rule.resources.iter().any(|resource| resource.ends_with("/exec")), "{rule:?}");
        }
    }
    assert_eq!(lock::parse(&lock::render(&approvals)).as_ref(), Ok(&approvals));
}
