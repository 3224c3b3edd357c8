//! A claim whose volume does not exist any more, or that names a volume that it cannot get; and a claim that a pod names
//! and that does not exist.
//!
//! Evidence: the phase Lost; `volumeName` and the PersistentVolume; the scheduler's message, or the whole list of claims.
//! Not to be taken for: a claim that is being bound, a pod that is young.
//! Source: kubernetes/pkg/controller/volume/persistentvolume/pv_controller.go.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference,
    health::STARTING,
    needs,
    placement::{
        message::{quoted_after, reasons},
        trouble, volumes,
    },
};

pub(super) const LOST: Rule = Rule { id: "claim-lost", find: lost };
pub(super) const MISSING: Rule = Rule { id: "claim-missing", find: missing };

fn lost(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::PersistentVolumeClaim).filter_map(|claim| of_claim(facts, claim)).collect()
}

fn of_claim(facts: &Facts, claim: &Object) -> Option<Finding> {
    let (phase, name) = (claim.text("/status/phase"), claim.text("/spec/volumeName"));
    let age = claim.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    let volume = facts.find(Kind::PersistentVolume, "", name);
    let (summary, next) = match (phase, volume) {
        ("Lost", Presence::Found(_)) => (
            format!("it is Lost: its volume {name} is there again, but is not bound to it"),
            "restore the claimRef of the volume, or make the claim anew",
        ),
        ("Lost", Presence::Absent) => (
            format!("it is Lost: its volume {name} was deleted"),
            "make the claim anew; the data is where the deleted volume was, if it was kept",
        ),
        ("Lost", Presence::Unknown) => (
            "it is Lost: its volume is gone".to_owned(),
            "make the claim anew; the data is where the deleted volume was, if it was kept",
        ),
        ("Pending", _) if name.is_empty() || age < STARTING => return None,
        ("Pending", Presence::Absent) => (
            format!("it asks for the volume {name}, which does not exist"),
            "create the volume, or correct volumeName in the claim",
        ),
        ("Pending", Presence::Found(volume)) => (
            taken(claim, volume)?,
            "remove the volume's claimRef if its old claim is gone for good, or name another volume",
        ),
        _ => return None,
    };
    let mut finding = Finding::new(LOST.id, claim.reference(), summary)
        .with(Evidence::fact(format!("the claim is {phase}"), format!("status of {}", claim.reference())))
        .next(next);
    if let Some(event) = facts.events(claim).first() {
        finding = finding.with(Evidence::quote("", event.message(), format!("event {}", event.reason())));
    }
    Some(trouble::with(facts, volumes::users(facts, claim).into_iter(), finding))
}

/// The other claim that a volume is for.
fn taken(claim: &Object, volume: &Object) -> Option<String> {
    let [namespace, name, uid] =
        ["namespace", "name", "uid"].map(|field| volume.text(&format!("/spec/claimRef/{field}")));
    if name.is_empty() {
        return None;
    }
    if (namespace, name) != (claim.namespace(), claim.name()) {
        return Some(format!(
            "it asks for the volume {}, which is for claim {namespace}/{name}",
            volume.name()
        ));
    }
    // Another claim of that name held it before.
    (!uid.is_empty() && uid != claim.uid()).then(|| {
        format!(
            "it asks for the volume {}, which still is bound to a deleted claim of the same name",
            volume.name()
        )
    })
}

fn missing(facts: &Facts) -> Vec<Finding> {
    let waits = |pod: &&Object| pod.text("/status/phase") == "Pending" && pod.deleted().is_none();
    facts.all(Kind::Pod).filter(waits).flat_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Vec<Finding> {
    let message = pod.condition("PodScheduled").map_or("", |condition| condition.message);
    let named = quoted_after(message, "persistentvolumeclaim").filter(|_| message.contains("not found"));
    let age = pod.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
    let claims = needs::needs(pod).into_iter().filter(|need| need.object.kind == Kind::PersistentVolumeClaim);
    claims
        .filter_map(|need| {
            let is_named = named == Some(need.object.name.as_str());
            let certainty = match facts.find(Kind::PersistentVolumeClaim, pod.namespace(), &need.object.name)
            {
                Presence::Absent if is_named || age >= STARTING => Certainty::Certain,
                Presence::Unknown if is_named => Certainty::Certain,
                _ => return None,
            };
            let finding = Finding::new(MISSING.id, need.object.clone(), "it does not exist")
                .certainty(certainty)
                .with(Evidence::fact(
                    format!("{} of {} needs it", need.field, pod.reference()),
                    "spec.volumes",
                ))
                .with(Evidence::fact(claims_of(facts, &need.object), "list of persistentvolumeclaims"))
                .next("create the claim, or correct claimName in the template");
            let place = format!("PodScheduled of {}", pod.reference());
            let finding =
                if is_named { finding.with(Evidence::quote("", reasons(message), place)) } else { finding };
            Some(trouble::with(facts, std::iter::once(pod), finding))
        })
        .collect()
}

fn claims_of(facts: &Facts, claim: &Reference) -> String {
    let names: Vec<&str> =
        facts.within(Kind::PersistentVolumeClaim, &claim.namespace).map(Object::name).take(8).collect();
    if !facts.is_listed(Kind::PersistentVolumeClaim, &claim.namespace) {
        "claims of its namespace were not read".to_owned()
    } else if names.is_empty() {
        format!("namespace {} has no claim", claim.namespace)
    } else {
        format!("there are: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests;
