//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod claim_class_missing;
mod config_missing;
mod container_exits;
mod image_pull;
mod init_waits;
mod log_trouble;
mod out_of_memory;
mod probe_kills;
mod probe_unready;
mod readiness_gate;
mod sandbox_failed;
mod security_context;
mod service_selector;
mod sidecar_holds;
mod start_failed;
mod unschedulable;
mod volume_attach;
mod volume_mount;

use crate::{Facts, Finding};

pub(crate) use log_trouble::services as services_in_logs;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name in answers: `claim-class-missing`.
    pub id: &'static str,
    /// Finds its fault wherever it is, also in objects that nobody asked about: ranking chooses.
    pub find: fn(&Facts) -> Vec<Finding>,
}

/// All rules. Their order does not matter.
pub const RULES: &[Rule] = &[
    claim_class_missing::RULE,
    config_missing::RULE,
    container_exits::RULE,
    image_pull::RULE,
    init_waits::RULE,
    log_trouble::RULE,
    out_of_memory::RULE,
    probe_kills::RULE,
    probe_unready::RULE,
    readiness_gate::RULE,
    sandbox_failed::RULE,
    security_context::RULE,
    service_selector::RULE,
    sidecar_holds::RULE,
    start_failed::RULE,
    unschedulable::RULE,
    volume_attach::RULE,
    volume_mount::RULE,
];
