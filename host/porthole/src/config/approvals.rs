//! Approvals in the configuration file: `approve`, `lock` and `approved` under `tools`.

use std::{path::PathBuf, sync::Arc};

use porthole_tools::{ApprovalLock, ApprovalMode, ApprovalSettings, ApprovalSource, ApprovalText, Approvals};

use super::Config;
use crate::cli::LoadArgs;

/// Approvals as configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ApprovalConfig {
    /// Declarations that need an approval; `None` if the file does not say.
    mode: Option<ApprovalMode>,
    lock: Option<PathBuf>,
    pub(crate) approved: Approvals,
}

impl ApprovalConfig {
    pub(super) fn new(
        mode: Option<ApprovalMode>,
        lock: Option<PathBuf>,
        approved: Vec<ApprovalText>,
    ) -> Result<Self, String> {
        let approved =
            ApprovalText::parse_all(approved).map_err(|error| format!("tools.approved: {error}"))?;
        Ok(Self { mode, lock, approved })
    }

    /// The lock: the one named by an option, or the configured one.
    pub(crate) fn lock(&self, option: Option<PathBuf>) -> Option<ApprovalLock> {
        option.or_else(|| self.lock.clone()).map(ApprovalLock::new)
    }

    /// Settings of a host; `default` is its mode if the file names none.
    pub(crate) fn settings(
        self,
        default: ApprovalMode,
        lock: Option<PathBuf>,
        load: &LoadArgs,
    ) -> ApprovalSettings {
        let configured = load.config.clone().map(|path| ApprovalSource {
            path: path.clone(),
            read: Arc::new(move || {
                Config::read(&path).map(|config| config.approvals.approved).map_err(|error| error.to_string())
            }),
        });
        let lock = self.lock(lock);
        ApprovalSettings { mode: self.mode.unwrap_or(default), lock, approved: self.approved, configured }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvals_are_read_as_plugin_approve_prints_them() {
        let text = format!(
            "tools:\n  approve: always\n  lock: /var/lib/porthole/tools.lock\n  approved:\n  - tool: team_quotas\n    version: 1.2.0\n    digest: sha256:{}\n    reads:\n    - {{apiGroups: [\"\"], resources: [resourcequotas], verbs: [list]}}\n    by: jane\n    at: 2026-11-29T10:00:00Z\n",
            "ab".repeat(32)
        );
        let ApprovalConfig { mode, lock, approved } = Config::parse(&text).unwrap().approvals;
        assert_eq!((mode, lock), (Some(ApprovalMode::Always), Some("/var/lib/porthole/tools.lock".into())));
        let approval = approved.get("team_quotas").unwrap();
        assert_eq!((&*approval.version, approval.by.as_str()), ("1.2.0", "jane"));
        // What would mean any kind is written by leaving it out.
        for nothing in ["", " ~", " []"] {
            let text = text.replace("[resourcequotas]", "[\"*\"]") + &format!("    kinds:{nothing}\n");
            assert!(Config::parse(&text).is_err(), "kinds:{nothing}");
        }
        for (mode, text) in
            [(ApprovalMode::None, "none"), (ApprovalMode::Wider, "wider"), (ApprovalMode::Always, "always")]
        {
            let config = Config::parse(&format!("tools: {{approve: {text}}}")).unwrap();
            assert_eq!(config.approvals.mode, Some(mode), "{text}");
        }
    }
}
