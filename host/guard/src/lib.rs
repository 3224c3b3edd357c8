//! Only path from tools to the cluster: each read is declared by the tool, not denied by the operator, open to the caller, within the
//! call's budget, redacted, and recorded.

mod answer_size;
mod caller_policy;
mod denied;
mod grant;
mod guard;
mod home;
mod kind_pattern;
mod masked_values;
mod open_log;
mod policy;
mod read_log;
mod reader;
mod redaction;

pub use caller_policy::{CallerPolicy, CallerRule, Callers, Ceiling, KindSet, PolicyDefault};
pub use denied::Denied;
pub use grant::{ApprovedReads, Excess, Grant, NamedKinds};
pub use guard::Guard;
pub use masked_values::{EnvironmentMasking, MaskedPaths, MaskedValues};
pub use open_log::OpenLog;
pub use porthole_cluster::Masking;
pub use read_log::{ReadLog, ReadRecord, is_never_merged};
pub use reader::{GuardedReader, ReadLimits, ReadSummary};
