//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod access_denied;
mod api_service_down;
mod autoscaler_at_maximum;
mod autoscaler_blind;
mod claim_class_missing;
mod cronjob_blocked;
mod cronjob_missed;
mod cronjob_suspended;
mod daemonset_short;
mod disruption_budget;
mod dns;
mod image_pull;
mod ingress_backend;
mod ingress_class;
mod ingress_tls;
mod job_failed;
mod load_balancer_pending;
mod namespace_terminating;
mod network_policy;
mod rollout_paused;
mod rollout_stuck;
mod scaled_to_zero;
mod service_port;
mod service_selector;
mod service_unready;
mod statefulset_order;
mod unschedulable;

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
    access_denied::RULE,
    api_service_down::RULE,
    autoscaler_at_maximum::RULE,
    autoscaler_blind::RULE,
    claim_class_missing::RULE,
    cronjob_blocked::RULE,
    cronjob_missed::RULE,
    cronjob_suspended::RULE,
    daemonset_short::RULE,
    disruption_budget::RULE,
    dns::RULE,
    image_pull::RULE,
    ingress_backend::RULE,
    ingress_class::RULE,
    ingress_tls::RULE,
    job_failed::RULE,
    load_balancer_pending::RULE,
    namespace_terminating::RULE,
    network_policy::RULE,
    rollout_paused::RULE,
    rollout_stuck::RULE,
    scaled_to_zero::RULE,
    service_port::RULE,
    service_selector::RULE,
    service_unready::RULE,
    statefulset_order::RULE,
    unschedulable::RULE,
];
