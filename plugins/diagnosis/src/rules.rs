//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod access_denied;
mod account_missing;
mod api_service_down;
mod autoscaler_at_maximum;
mod autoscaler_blind;
mod claim_class_missing;
mod claim_lost;
mod claim_provisioner;
mod claim_waits;
mod config_missing;
mod container_exits;
mod cronjob_blocked;
mod cronjob_missed;
mod cronjob_suspended;
mod daemonset_short;
mod disruption_budget;
mod dns;
mod evicted;
mod image_pull;
mod ingress_backend;
mod ingress_class;
mod ingress_tls;
mod init_waits;
mod job_failed;
mod limit_range;
mod load_balancer_pending;
mod log_trouble;
mod namespace_terminating;
mod network_policy;
mod node_cordoned;
mod node_not_ready;
mod node_pressure;
mod not_scheduled;
mod out_of_memory;
mod pod_refused;
mod pod_rejected;
mod pod_security;
mod probe_kills;
mod probe_unready;
mod quota_exceeded;
mod quota_needs_limits;
mod readiness_gate;
mod rollout_paused;
mod rollout_stuck;
mod sandbox_failed;
mod scaled_to_zero;
mod scheduling_gate;
mod security_context;
mod service_port;
mod service_selector;
mod service_unready;
mod sidecar_holds;
mod start_failed;
mod statefulset_order;
mod stuck_terminating;
mod unschedulable;
mod volume_attach;
mod volume_mount;
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
    account_missing::ACCOUNT,
    account_missing::PRIORITY,
    claim_lost::LOST,
    claim_lost::MISSING,
    claim_provisioner::RULE,
    claim_waits::RULE,
    evicted::RULE,
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
    stuck_terminating::RULE,
    webhook_denies::RULE,
    webhook_down::RULE,
    access_denied::RULE,
    api_service_down::RULE,
    autoscaler_at_maximum::RULE,
    autoscaler_blind::RULE,
    cronjob_blocked::RULE,
    cronjob_missed::RULE,
    cronjob_suspended::RULE,
    daemonset_short::RULE,
    disruption_budget::RULE,
    dns::RULE,
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
    service_unready::RULE,
    statefulset_order::RULE,
    volume_attach::RULE,
    volume_mount::RULE,
];
