//! The time between a pod's node and its first container: volumes, network, and what the kubelet says of them.

use crate::{Event, Facts, Object, containers::containers};

/// Seconds after which a word of the kubelet on a step, which it tries again every few minutes, is out of date.
const STALE: u64 = 900;

/// True if a pod is on a node and none of its containers ever began.
pub fn is_waiting(pod: &Object) -> bool {
    !pod.text("/spec/nodeName").is_empty()
        && pod.text("/status/phase") == "Pending"
        && containers(pod).all(|container| container.waits_to_be_created())
}

/// The newest events of `reasons` of a pod that still waits, the newest first; none that may be out of date.
pub fn events<'f>(facts: &'f Facts, pod: &'f Object, reasons: &[&str]) -> Vec<Event<'f>> {
    if !is_waiting(pod) {
        return Vec::new();
    }
    let is_current = |event: &Event<'_>| {
        reasons.contains(&event.reason()) && facts.now.saturating_sub(event.last_seen()) < STALE
    };
    facts.events(pod).into_iter().filter(is_current).collect()
}

/// The name in quotes after `volume`: that of a PersistentVolume, or of a volume of the pod.
pub fn volume_in(message: &str) -> &str {
    message.split("olume \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}
