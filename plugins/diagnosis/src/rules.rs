//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod account_missing;
mod claim_class_missing;
mod claim_lost;
mod claim_provisioner;
mod claim_waits;
mod evicted;
mod image_pull;
mod limit_range;
mod node_cordoned;
mod node_not_ready;
mod node_pressure;
mod not_scheduled;
mod pod_refused;
mod pod_rejected;
mod pod_security;
mod quota_exceeded;
mod quota_needs_limits;
mod scheduling_gate;
mod service_selector;
mod stuck_terminating;
mod unschedulable;
mod webhook_denies;
mod webhook_down;

use crate::{Facts, Finding};

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
    account_missing::ACCOUNT,
    account_missing::PRIORITY,
    claim_class_missing::RULE,
    claim_lost::LOST,
    claim_lost::MISSING,
    claim_provisioner::RULE,
    claim_waits::RULE,
    evicted::RULE,
    image_pull::RULE,
    limit_range::RULE,
    node_cordoned::RULE,
    node_not_ready::RULE,
    node_pressure::RULE,
    not_scheduled::RULE,
    pod_refused::RULE,
    pod_rejected::RULE,
    pod_security::RULE,
    quota_exceeded::RULE,
    quota_needs_limits::RULE,
    scheduling_gate::RULE,
    service_selector::RULE,
    stuck_terminating::RULE,
    unschedulable::RULE,
    webhook_denies::RULE,
    webhook_down::RULE,
];
