//! A pod that no node can take, for each reason that the scheduler names, joined with labels, taints and room of the nodes.
//!
//! Evidence: the condition PodScheduled; it stays when the events are gone.
//! Not to be taken for: a claim that is not bound (the claim is the cause), a scheduling gate, the first seconds, the
//! taint of a control plane beside a reason that excludes the other nodes.
//! Source: kubernetes/pkg/scheduler/framework/plugins.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Reference, health,
    object::text,
    placement::{
        affinity, are_nodes_known, candidates, message, room, spread,
        taints::{self, Origin},
        trouble::judged,
        volumes,
    },
};

pub(super) const RULE: Rule = Rule { id: "unschedulable", find };

/// Seconds for which the scheduler may look for a node.
const GRACE: u64 = 15;

/// A reason, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Something that the pod asks for.
    Pod,
    /// A claim, which has findings of its own.
    Claim,
    /// Trouble of nodes, or cordons, which have findings of their own.
    Node,
    /// No fault beside another reason.
    Usual,
}

struct Reason {
    weight: Weight,
    summary: String,
    facts: Vec<String>,
}

impl Reason {
    fn new(weight: Weight, (summary, facts): (String, Vec<String>)) -> Self {
        Self { weight, summary, facts }
    }
}

fn find(facts: &Facts) -> Vec<Finding> {
    judged(
        facts,
        facts.all(Kind::Pod).filter(|pod| is_refused(facts, pod)),
        |pod| of_pod(facts, pod),
        |pod| std::iter::once(pod.reference()).chain(waiting_claims(facts, pod)).collect(),
    )
}

/// True if the scheduler has looked for a node, and found none for some time.
fn is_refused(facts: &Facts, pod: &Object) -> bool {
    let Some(condition) = pod.condition("PodScheduled") else { return false };
    let age = condition.since.or(pod.created()).map_or(u64::MAX, |since| facts.now.saturating_sub(since));
    condition.status == "False"
        && matches!(condition.reason, "Unschedulable" | "SchedulerError")
        && age >= GRACE
        && pod.deleted().is_none()
}

/// Claims of a pod whose class waits for the first consumer: they wait for this pod.
fn waiting_claims(facts: &Facts, pod: &Object) -> Vec<Reference> {
    let waits =
        |claim: &&Object| claim.text("/status/phase") == "Pending" && health::binds_late(facts, claim);
    let claims = volumes::claims(pod);
    let claims = claims.iter().filter_map(|claim| facts.get(claim)).filter(waits);
    claims.map(Object::reference).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let condition = pod.condition("PodScheduled")?;
    let mut reasons: Vec<Reason> =
        message::parts(condition.message).into_iter().map(|(_, part)| reason(facts, pod, part)).collect();
    reasons.sort_by_key(|reason| reason.weight);
    let worst = reasons.first()?.weight;
    // What is usual is no reason, and stands as a fact beside it.
    reasons.retain(|reason| reason.weight == worst || reason.weight == Weight::Usual);
    let of_worst = reasons.iter().filter(|reason| reason.weight == worst);
    let mut summaries: Vec<&str> = of_worst.map(|reason| reason.summary.as_str()).collect();
    summaries.dedup();
    summaries.truncate(3);
    let place = format!("PodScheduled of {}", pod.reference());
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summaries.join("; "))
        .affects(pod.reference())
        .with(Evidence::quote("", message::reasons(condition.message), place))
        .next(next(worst));
    let mut seen = Vec::new();
    for fact in reasons.iter().flat_map(|reason| &reason.facts).filter(|fact| !fact.is_empty()) {
        if !seen.contains(&fact) {
            seen.push(fact);
            finding = finding.with(Evidence::fact(fact, "nodes"));
        }
    }
    let scaling = ["TriggeredScaleUp", "NotTriggerScaleUp"];
    if let Some(event) = facts.events(pod).into_iter().find(|event| scaling.contains(&event.reason())) {
        finding =
            finding.with(Evidence::quote("autoscaler", event.message(), format!("event {}", event.reason())));
    }
    let is_old = volumes::is_being_made(facts, pod);
    if worst != Weight::Claim && !is_old {
        finding.affects.extend(waiting_claims(facts, pod));
    }
    Some(match worst {
        Weight::Claim | Weight::Node => finding.symptom().certainty(Certainty::Likely),
        _ if is_old => finding.symptom().certainty(Certainty::Likely),
        // The nodes have changed since, or what is usual is all there is.
        Weight::Usual => finding.certainty(Certainty::Likely),
        Weight::Pod => finding,
    })
}

fn next(weight: Weight) -> &'static str {
    match weight {
        Weight::Claim => "see the claim: resources_describe of it",
        Weight::Node => "mend or uncordon the nodes: nodes_list shows them",
        Weight::Pod | Weight::Usual => "correct what the pod asks for, or add or change a node",
    }
}

/// The meaning of a reason of the scheduler, and the nodes' part in it.
fn reason(facts: &Facts, pod: &Object, part: &str) -> Reason {
    let has = |text: &str| part.contains(text);
    let plain = |weight: Weight, summary: &str| Reason::new(weight, (summary.to_owned(), Vec::new()));
    if has("node affinity/selector") || has("didn't match node selector") || has("plugin(s) [NodeAffinity]") {
        return match () {
            // Those of a DaemonSet are for one node each: that others do not fit is by design.
            () if affinity::is_for_one_node(pod) => {
                plain(Weight::Usual, "its node does not exist, or does not fit")
            }
            () if are_nodes_known(facts) => {
                let fits = facts.all(Kind::Node).any(|node| affinity::fits(pod, node));
                let weight = if fits { Weight::Usual } else { Weight::Pod };
                Reason::new(weight, affinity::explain(facts, pod))
            }
            () => plain(Weight::Pod, "no node fits its nodeSelector or node affinity"),
        };
    }
    if has("untolerated taint") || has("taints that the pod didn't tolerate") || has("had taint {") {
        return taint(facts, pod, part);
    }
    if let Some((_, resource)) = part.split_once("Insufficient ") {
        return Reason::new(Weight::Pod, room::explain(facts, pod, resource.trim()));
    }
    if has("Too many pods") {
        return Reason::new(Weight::Pod, room::explain(facts, pod, "pods"));
    }
    if has("existing pods anti-affinity") {
        return plain(Weight::Pod, "the anti-affinity of pods that run keeps it off");
    }
    if has("anti-affinity") {
        return Reason::new(Weight::Pod, spread::anti_affinity(facts, pod));
    }
    if has("pod affinity rules") {
        return Reason::new(Weight::Pod, spread::affinity(facts, pod));
    }
    if has("topology spread") {
        return Reason::new(Weight::Pod, spread::spread(facts, pod, part));
    }
    if has("free ports") {
        return Reason::new(Weight::Pod, spread::ports(pod));
    }
    if has("volume node affinity")
        || has("PersistentVolume's node affinity")
        || has("no available volume zone")
    {
        let summary = || ("its volume is bound to a node or zone that cannot take it".to_owned(), Vec::new());
        return Reason::new(Weight::Pod, volumes::explain(facts, pod).unwrap_or_else(summary));
    }
    if has("non-existent pv") {
        return plain(Weight::Claim, "its claim is bound to a volume that does not exist");
    }
    if has("ReadWriteOncePod") {
        return Reason::new(Weight::Pod, volumes::exclusive(facts, pod));
    }
    if has("ersistentVolumeClaim") || has("ersistentvolumeclaim") {
        return plain(Weight::Claim, "a claim of it is not bound");
    }
    if has("find available persistent volumes to bind") {
        return plain(Weight::Claim, "no volume that is free fits its claim");
    }
    let (weight, summary) = match () {
        () if has("binding volumes") => (Weight::Claim, "its volume was not bound in time"),
        () if has("cannot allocate all claims") || has("resource claim") || has("resourceclaim") => {
            (Weight::Pod, "no node can give it the devices that its ResourceClaim asks for")
        }
        () if has("were unschedulable") => (Weight::Node, "nodes are cordoned"),
        () if has("nodes available to schedule pods") => (Weight::Pod, "the cluster has no node"),
        () if has("max volume count") => (Weight::Pod, "no node can attach one more volume"),
        () if has("enough free storage") => (Weight::Pod, "no node has enough free storage for its claim"),
        () => (Weight::Pod, "no node can take it"),
    };
    plain(weight, summary)
}

fn taint(facts: &Facts, pod: &Object, part: &str) -> Reason {
    // The message names the key, or from Kubernetes 1.35 on nothing: then the nodes say it.
    let key = part.split_once('{').and_then(|(_, taint)| taint.split([':', '}']).next());
    let mut taints = taints::all(facts, pod);
    if let Some(key) = key {
        taints.retain(|(taint, _)| text(taint, "/key") == key);
    }
    let unknown = || {
        key.map_or("it does not tolerate the taints of the nodes".to_owned(), |key| {
            format!("it does not tolerate the taint {key}")
        })
    };
    let origins = [
        (Origin::Chosen, Weight::Pod),
        (Origin::Trouble, Weight::Node),
        (Origin::Cordon, Weight::Node),
        (Origin::ControlPlane, Weight::Usual),
    ];
    let explained = origins.iter().find_map(|(origin, weight)| {
        let (summary, nodes) = taints::explain(&taints, &[*origin])?;
        // A node that has no such taint is nearer: what keeps the pod off that one is the reason.
        let is_beside = *origin == Origin::Chosen && !candidates(facts, pod).is_empty();
        let weight = if is_beside { Weight::Usual } else { *weight };
        let nodes = if *origin == Origin::ControlPlane { Vec::new() } else { nodes };
        Some(Reason::new(weight, (summary, nodes)))
    });
    // Nodes whose labels do not fit have it, so that it does not matter.
    let is_there = facts
        .all(Kind::Node)
        .flat_map(|node| node.list("/spec/taints"))
        .any(|taint| key.is_none_or(|key| text(taint, "/key") == key));
    if explained.is_none() && is_there {
        return Reason::new(Weight::Usual, (unknown(), Vec::new()));
    }
    let weight = match key.map(Origin::of) {
        Some(Origin::ControlPlane) => Weight::Usual,
        Some(Origin::Trouble | Origin::Cordon) => Weight::Node,
        Some(Origin::Chosen) | None => Weight::Pod,
    };
    explained.unwrap_or_else(|| Reason::new(weight, (unknown(), Vec::new())))
}

#[cfg(test)]
mod tests;
