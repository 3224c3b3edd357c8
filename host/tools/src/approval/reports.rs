//! Reports of approvals that take effect: to the log, and to the audit log.

use std::collections::VecDeque;

use porthole_contract::{ToolName, describe_rules};

use super::{Approval, Approvals};
use crate::audit::{ApprovalEvent, Audit};

/// Maximum number of lines that wait for the audit log; others are counted in one. A lock may have thousands of names,
/// and whoever edits it while the audit's disk is full would fill the memory.
pub(super) const MAX_WAITING: usize = 256;

/// Reporter of approvals.
#[derive(Default)]
pub(super) struct Reports {
    audit: Audit,
    /// Events that have no line yet.
    waiting: VecDeque<ApprovalEvent>,
}

impl Reports {
    pub(super) fn new(audit: Audit) -> Self {
        Self { audit, waiting: VecDeque::new() }
    }

    /// Reports one approval.
    pub(super) fn report(&mut self, tool: &ToolName, approval: &Approval) {
        self.push(tool, approval);
        self.send();
    }

    /// Reports the approvals that are new or different.
    pub(super) fn report_changes(&mut self, before: &Approvals, after: &Approvals) {
        for (tool, approval) in after.iter().filter(|(tool, approval)| before.get(tool) != Some(approval)) {
            self.push(tool, approval);
        }
        self.send();
    }

    /// Writes what waits. While the audit log cannot be written no call begins, unless lines may be dropped; so an
    /// approval has its line before the calls that it allows.
    pub(super) fn send(&mut self) {
        while let Some(event) = self.waiting.front() {
            if self.audit.write_approval(event).is_err() {
                return;
            }
            self.waiting.pop_front();
        }
    }

    fn push(&mut self, tool: &ToolName, approval: &Approval) {
        if self.waiting.len() < MAX_WAITING {
            log(tool, approval);
            self.waiting.push_back(ApprovalEvent::Approved(tool.clone(), approval.clone()));
        } else if let Some(ApprovalEvent::MoreApproved(count)) = self.waiting.back_mut() {
            *count = count.saturating_add(1);
        } else {
            self.waiting.push_back(ApprovalEvent::MoreApproved(1));
        }
    }
}

/// Logs an approval.
fn log(tool: &ToolName, approval: &Approval) {
    let kinds = approval.kinds.as_ref().map(|kinds| format!(", of {} kinds", kinds.count()));
    tracing::info!(
        %tool,
        version = %approval.version,
        digest = %approval.digest,
        by = %approval.by,
        at = %approval.at,
        "approved: it may {}{}",
        porthole_contract::truncate(&describe_rules(approval.reads.rules()), 512),
        kinds.unwrap_or_default()
    );
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        time::{Duration, Instant},
    };

    use super::{super::tests::approval, *};
    use crate::FailurePolicy;

    fn many(count: usize) -> Approvals {
        let mut approvals = Approvals::default();
        for n in 0..count {
            let name = ToolName::parse(&format!("tool_{n}")).unwrap();
            assert!(approvals.insert(name, approval("1.0.0", 1, &["pods"])));
        }
        approvals
    }

    #[tokio::test]
    async fn a_long_lock_has_few_lines_and_the_last_one_counts_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit");
        let audit = Audit::file(&file, FailurePolicy::Refuse).unwrap();
        Reports::new(audit.clone()).report_changes(&Approvals::default(), &many(MAX_WAITING + 44));
        audit.flush(Duration::from_secs(5)).await;
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), MAX_WAITING + 1);
        assert!(lines[..MAX_WAITING].iter().all(|line| line["event"] == "approved"), "{text}");
        assert_eq!(
            (&lines[MAX_WAITING]["event"], &lines[MAX_WAITING]["count"]),
            (&"moreApproved".into(), &44.into())
        );
    }

    #[test]
    fn an_approval_waits_for_an_audit_log_that_cannot_be_written_and_not_for_one_that_may_lose_lines() {
        let full = Path::new("/dev/full");
        let refuse = Audit::file(full, FailurePolicy::Refuse).unwrap();
        let mut reports = Reports::new(refuse.clone());
        reports.report_changes(&Approvals::default(), &many(1));
        let begun = Instant::now();
        while refuse.reserve().is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the failed write is noticed");
            std::thread::sleep(Duration::from_millis(10));
        }
        reports.report_changes(&Approvals::default(), &many(3));
        assert_eq!(reports.waiting.len(), 3);
        for _ in 0..3 {
            reports.report_changes(&Approvals::default(), &many(MAX_WAITING));
        }
        assert_eq!(reports.waiting.len(), MAX_WAITING + 1);
        assert_eq!(reports.waiting.back(), Some(&ApprovalEvent::MoreApproved(2 * MAX_WAITING + 3)));
        reports.audit = Audit::file(full, FailurePolicy::Drop).unwrap();
        reports.send();
        assert!(reports.waiting.is_empty());
    }
}
