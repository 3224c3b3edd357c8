//! An object that is not gone long after its deletion: a finalizer keeps it, or no kubelet confirms that a pod ended.
//!
//! Evidence: `deletionTimestamp`, which holds the grace period already, `finalizers`, and for a pod the state of its node.
//! Not to be taken for: a grace period that is not over; an owner that waits for what it owns.
//! Source: kubernetes/pkg/kubelet/kubelet_pods.go, kubernetes/pkg/controller/volume/pvcprotection.

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference, health::STARTING,
    placement::volumes, time,
};

pub(super) const RULE: Rule = Rule { id: "stuck-terminating", find };

/// Finalizers of owners that wait for what they own.
const OWNERS: [&str; 2] = ["foregroundDeletion", "orphan"];
/// The finalizer of claims that pods use.
const CLAIM: &str = "kubernetes.io/pvc-protection";
/// The finalizer of volumes that are bound.
const VOLUME: &str = "kubernetes.io/pv-protection";

fn find(facts: &Facts) -> Vec<Finding> {
    let is_late = |object: &&Object| {
        object.deleted().is_some_and(|deleted| facts.now.saturating_sub(deleted) > STARTING)
    };
    // A namespace waits for what is in it, and has a rule of its own.
    let objects = facts.objects().filter(|object| !matches!(object.kind(), Kind::Namespace | Kind::Event));
    objects.filter(is_late).filter_map(|object| of_object(facts, object)).collect()
}

fn of_object(facts: &Facts, object: &Object) -> Option<Finding> {
    let late = facts.now.saturating_sub(object.deleted()?);
    let finalizers: Vec<&str> = object
        .list("/metadata/finalizers")
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !OWNERS.contains(name))
        .collect();
    let is_owner = finalizers.len() < object.list("/metadata/finalizers").len();
    let mut finding = match object.kind() {
        Kind::PersistentVolumeClaim if finalizers.contains(&CLAIM) => in_use(facts, object, &finalizers)?,
        Kind::PersistentVolume if finalizers.contains(&VOLUME) && object.text("/status/phase") == "Bound" => {
            bound(object)
        }
        _ if !finalizers.is_empty() => kept(facts, object, &finalizers),
        _ if is_owner => waiting(facts, object),
        Kind::Pod => unconfirmed(facts, object),
        // Nothing keeps it: the API server removes it at once.
        _ => return None,
    };
    let label = format!("deletion was due {} ago", time::age(late));
    finding = finding.with(Evidence::fact(label, format!("deletionTimestamp of {}", object.reference())));
    if object.kind() == Kind::Pod {
        finding = finding.affects(facts.root(object).reference());
        let events = facts.events(object);
        if let Some(event) = events.iter().find(|event| event.reason() == "FailedKillPod") {
            finding = finding.with(Evidence::quote(
                "",
                event.message(),
                format!("event FailedKillPod x{}", event.count()),
            ));
        }
    }
    Some(finding)
}

fn kept(facts: &Facts, object: &Object, finalizers: &[&str]) -> Finding {
    let names = finalizers.join(", ");
    let summary = format!("it cannot be deleted: its finalizer {names} is not removed by its controller");
    let target = if object.kind() == Kind::Pod { facts.root(object).reference() } else { object.reference() };
    Finding::new(RULE.id, target, summary)
        .affects(object.reference())
        .with(Evidence::fact(format!("finalizers: {names}"), "metadata.finalizers"))
        .next("look whether the controller behind that finalizer runs, and at its log")
}

/// A claim that pods still use.
fn in_use(facts: &Facts, claim: &Object, finalizers: &[&str]) -> Option<Finding> {
    let is_live = |pod: &&&Object| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
    let users = volumes::users(facts, claim);
    let users: Vec<&&Object> = users.iter().filter(is_live).collect();
    if users.is_empty() {
        return facts.is_listed(Kind::Pod, claim.namespace()).then(|| kept(facts, claim, finalizers));
    }
    let roots: std::collections::BTreeSet<Reference> =
        users.iter().map(|pod| facts.root(pod).reference()).collect();
    let names: Vec<String> = roots.iter().take(3).map(Reference::to_string).collect();
    Some(
        Finding::new(
            RULE.id,
            claim.reference(),
            format!("its deletion waits, because {} still uses it", names.join(", ")),
        )
        .next("end what uses it, if the claim is to go; the deletion cannot be taken back"),
    )
}

/// A volume that a claim still has.
fn bound(volume: &Object) -> Finding {
    let [namespace, name] =
        ["namespace", "name"].map(|field| volume.text(&format!("/spec/claimRef/{field}")));
    let summary = format!("its deletion waits, because it is bound to claim {namespace}/{name}");
    Finding::new(RULE.id, volume.reference(), summary)
        .next("delete the claim first, if the volume is to go; the deletion cannot be taken back")
}

/// An owner that waits for what it owns.
fn waiting(facts: &Facts, owner: &Object) -> Finding {
    let owned = facts.owned_by(owner).count();
    Finding::new(RULE.id, owner.reference(), format!("its deletion waits for {owned} objects that it owns"))
        .next("see which of them stay: resources_describe of each")
        .symptom()
}

/// A pod whose end no kubelet confirms.
fn unconfirmed(facts: &Facts, pod: &Object) -> Finding {
    let name = pod.text("/spec/nodeName");
    let node = Reference::new(Kind::Node, "", name);
    let is_ready =
        |node: &Object| node.condition("Ready").is_some_and(|condition| condition.status == "True");
    let root = facts.root(pod).reference();
    let finding = match facts.find(Kind::Node, "", name) {
        // That the node is not ready is a finding of its own.
        Presence::Found(found) if !is_ready(found) => Finding::new(
            RULE.id,
            root,
            format!("a deleted pod is not gone: node {name} is not ready, so that its kubelet cannot confirm its end"),
        )
        .symptom(),
        // Without any node they are rather not seen than gone.
        Presence::Absent if !name.is_empty() && facts.all(Kind::Node).next().is_some() => Finding::new(
            RULE.id,
            node,
            "it does not exist any more, so that no kubelet confirms that deleted pods ended",
        )
        .certainty(Certainty::Likely),
        _ => Finding::new(
            RULE.id,
            root,
            "a deleted pod is not gone: its kubelet does not confirm that all its containers ended",
        )
        .certainty(Certainty::Likely),
    };
    finding.affects(pod.reference()).next(format!("look at the kubelet of node {name}: nodes_log"))
}

#[cfg(test)]
mod tests;
