//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod account_missing;
mod claim_class_missing;
mod container_exits;
mod evicted;
mod image_pull;
mod limit_range;
mod log_trouble;
mod out_of_memory;
mod pod_refused;
mod pod_rejected;
mod pod_security;
mod probe_kills;
mod probe_unready;
mod quota_exceeded;
mod quota_needs_limits;
mod scheduling_gate;
mod security_context;
mod service_selector;
mod start_failed;
mod stuck_terminating;
mod unschedulable;
mod webhook_denies;
mod webhook_down;

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
    container_exits::RULE,
    image_pull::RULE,
    log_trouble::RULE,
    out_of_memory::RULE,
    probe_kills::RULE,
    probe_unready::RULE,
    security_context::RULE,
    service_selector::RULE,
    start_failed::RULE,
    unschedulable::RULE,
    account_missing::ACCOUNT,
    account_missing::PRIORITY,
    evicted::RULE,
    limit_range::RULE,
    pod_refused::RULE,
    pod_rejected::RULE,
    pod_security::RULE,
    quota_exceeded::RULE,
    quota_needs_limits::RULE,
    scheduling_gate::RULE,
    stuck_terminating::RULE,
    webhook_denies::RULE,
    webhook_down::RULE,
];
