//! Tool runtime: loads a folder of components into an immutable snapshot; validates, limits, audits and counts their
//! calls.

mod answer;
mod approval;
mod arguments;
mod audit;
mod calls;
mod catalog;
#[cfg(feature = "fuzz")]
pub mod costs;
mod folder;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod loader;
mod metrics;
mod origin;
mod permits;
mod reload;
mod retries;
mod settings;
mod snapshot;
mod tool;
mod unknown_tool;
mod verdict;
mod watch;

pub use answer::{Answer, CallReport, Usage};
pub use approval::{
    Approval, ApprovalLock, ApprovalMode, ApprovalSettings, ApprovalSource, ApprovalText, Approvals,
    Decision, Declaration, Hold, LockError, decide, granted,
};
pub use audit::{Audit, FailurePolicy};
pub use calls::{Call, Calls};
pub use catalog::Catalog;
pub use folder::files;
pub use loader::{LoadFailure, Loader};
pub use metrics::{MINUTES, Metrics, MinuteMetrics, Reader, RecentCall, ToolMetrics};
pub use origin::{Origin, OriginSource, Origins};
pub use permits::{Permit, PermitError, Resource};
pub use settings::Settings;
pub use snapshot::{HeldTool, Snapshot};
pub use tool::Tool;
pub use verdict::Verdict;
