//! The rules: each a fault, its evidence, and what it must not be taken for. A rule sees facts, never the cluster.

mod claim_class_missing;
mod image_pull;
mod quota_exceeded;
mod quota_needs_limits;
mod service_selector;
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
    claim_class_missing::RULE,
    image_pull::RULE,
    quota_exceeded::RULE,
    quota_needs_limits::RULE,
    service_selector::RULE,
    unschedulable::RULE,
];
