//! A claim that waits for its provisioner: it fails, is not there, or makes no volumes by itself.
//!
//! Evidence: events of the claim with the provisioner's words; without them the claim's annotations, and its age.
//! Not to be taken for: a claim that waits for its first consumer, a class that is missing, the first minutes.
//! Source: kubernetes/pkg/controller/volume/persistentvolume, kubernetes-csi/external-provisioner.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence,
    health::{STARTING, binds_late},
    placement::{
        trouble,
        volumes::{self, SELECTED},
    },
    time,
};

pub(super) const RULE: Rule = Rule { id: "claim-provisioner", find };

/// The provisioner of classes whose volumes people make.
const BY_HAND: &str = "kubernetes.io/no-provisioner";
/// Seconds that a provisioner has to make a volume.
const PATIENCE: u64 = 120;

fn find(facts: &Facts) -> Vec<Finding> {
    let pending = |claim: &&Object| {
        claim.text("/status/phase") == "Pending"
            && claim.text("/spec/volumeName").is_empty()
            && claim.deleted().is_none()
    };
    facts
        .all(Kind::PersistentVolumeClaim)
        .filter(pending)
        .filter_map(|claim| of_claim(facts, claim))
        .collect()
}

fn of_claim(facts: &Facts, claim: &Object) -> Option<Finding> {
    let age = claim.created().map_or(0, |created| facts.now.saturating_sub(created));
    let events = facts.events(claim);
    let last = |reason: &str| events.iter().find(|event| event.reason() == reason);
    let class = match volumes::class_of(claim) {
        None => return None,
        Some("") if age < STARTING => return None,
        Some("") => {
            let summary =
                "it asks for a volume that a person makes (its class is empty), and none that is free fits";
            let next = "create a PersistentVolume that fits, or make the claim anew with a class";
            return Some(finding(facts, claim, summary.to_owned()).certainty(Certainty::Likely).next(next));
        }
        Some(name) => match facts.find(Kind::StorageClass, "", name) {
            Presence::Found(class) => class,
            Presence::Absent | Presence::Unknown => return failure(facts, claim, None),
        },
    };
    let provisioner = class.text("/provisioner");
    let annotations = claim.map("/metadata/annotations");
    let is_due = !binds_late(facts, claim) || annotations.iter().any(|(key, _)| *key == SELECTED);
    if provisioner == BY_HAND {
        // A late class waits for a pod first; its pod then says that no volume fits.
        let is_wanted = is_due
            || trouble::unplaced(facts, &["find available persistent volumes to bind"])
                .any(|pod| volumes::claims(pod).contains(&claim.reference()));
        let summary = format!(
            "its class {} makes no volumes, and none that is free fits: a person has to make one",
            class.name()
        );
        return (is_wanted && age >= STARTING).then(|| {
            finding(facts, claim, summary)
                .certainty(Certainty::Likely)
                .next("create a PersistentVolume of that class, size and access mode")
        });
    }
    if let Some(found) = failure(facts, claim, Some(class)) {
        return Some(found);
    }
    let waiting = last("ExternalProvisioning");
    if !is_due || age < PATIENCE {
        return None;
    }
    let summary = format!("the provisioner {provisioner} of its class {} has made no volume", class.name());
    let mut found = finding(facts, claim, summary)
        .certainty(Certainty::Likely)
        .with(Evidence::fact(format!("Pending for {}", time::age(age)), "metadata.creationTimestamp"))
        .next(format!(
            "look whether the pods of the provisioner {provisioner} run, and at their log: pods_list"
        ));
    if let Some(event) = waiting {
        let place = format!("event ExternalProvisioning x{}", event.count());
        found = found.with(Evidence::quote("", event.message(), place));
    }
    Some(found)
}

/// The provisioner's own words.
fn failure(facts: &Facts, claim: &Object, class: Option<&Object>) -> Option<Finding> {
    let events = facts.events(claim);
    let event = events.iter().find(|event| event.reason() == "ProvisioningFailed")?;
    // That the class is missing is another fault, and one that may have been mended since.
    if event.message().contains("storageclass") && event.message().contains("not found") {
        return None;
    }
    let who = class.map_or("its provisioner".to_owned(), |class| {
        format!("the provisioner {} of its class {}", class.text("/provisioner"), class.name())
    });
    let (cause, next) = cause(event.message());
    let place = format!("event ProvisioningFailed x{}", event.count());
    Some(
        finding(facts, claim, format!("{who} fails to make a volume{cause}"))
            .with(Evidence::quote("", event.message(), place))
            .next(next),
    )
}

fn cause(message: &str) -> (&'static str, &'static str) {
    let lower = message.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if has(&[
        "quota",
        "resourceexhausted",
        "limitexceeded",
        "out of capacity",
        "not enough free",
        "insufficient",
    ]) {
        (
            ": there is no capacity or quota left",
            "free or add storage, or raise the quota of the storage provider",
        )
    } else if has(&["unauthorized", "permissiondenied", "forbidden", "accessdenied", "credential"]) {
        (": it lacks a right or a credential", "give the provisioner the right that the quote names")
    } else if has(&[
        "deadlineexceeded",
        "deadline exceeded",
        "connection refused",
        "unavailable",
        "no such host",
        "timeout",
    ]) {
        (": its storage does not answer", "look at the storage backend, and at the log of the provisioner")
    } else if has(&["secret"]) && has(&["not found"]) {
        (
            ": a Secret that its class names does not exist",
            "create that Secret, or correct the parameters of the class",
        )
    } else if has(&["invalidargument", "not supported", "unsupported", "invalid"]) {
        (
            ": it does not support what is asked",
            "correct the parameters of the class, or the access modes and size of the claim",
        )
    } else {
        ("", "do as the quote says, or look at the log of the provisioner")
    }
}

fn finding(facts: &Facts, claim: &Object, summary: String) -> Finding {
    let mut finding = Finding::new(RULE.id, claim.reference(), summary);
    let class =
        volumes::class_of(claim).map_or("none", |class| if class.is_empty() { "empty" } else { class });
    finding = finding.with(Evidence::fact(
        format!("the claim is Pending, its class is {class}"),
        format!("status of {}", claim.reference()),
    ));
    trouble::with(facts, volumes::users(facts, claim).into_iter(), finding)
}

#[cfg(test)]
mod tests;
