//! Volumes that only some nodes can use.

use serde_json::Value;

use super::names;
use crate::{Facts, Kind, Object, Reference, needs, object::list, selectors};

/// The node that the scheduler chose for the first consumer of a claim: from then on a volume is made.
pub const SELECTED: &str = "volume.kubernetes.io/selected-node";

/// The claims that a pod uses, those that ephemeral volumes make included.
pub fn claims(pod: &Object) -> Vec<Reference> {
    let named = needs::needs(pod).into_iter().map(|need| need.object);
    let mut claims: Vec<Reference> =
        named.filter(|object| object.kind == Kind::PersistentVolumeClaim).collect();
    for volume in pod.list("/spec/volumes").iter().filter(|volume| volume.pointer("/ephemeral").is_some()) {
        let name = format!("{}-{}", pod.name(), crate::object::text(volume, "/name"));
        claims.push(Reference::new(Kind::PersistentVolumeClaim, pod.namespace(), &name));
    }
    claims
}

/// The class of a claim: from its field, or from the annotation that was there before.
pub fn class_of(claim: &Object) -> Option<&str> {
    let annotation = claim
        .map("/metadata/annotations")
        .into_iter()
        .find(|(key, _)| *key == "volume.beta.kubernetes.io/storage-class")
        .map(|(_, value)| value);
    annotation.or_else(|| claim.at("/spec/storageClassName").and_then(Value::as_str))
}

/// The pods of a claim's namespace that use it.
pub fn users<'f>(facts: &'f Facts, claim: &Object) -> Vec<&'f Object> {
    let reference = claim.reference();
    let pods = facts.all(Kind::Pod).filter(|pod| pod.namespace() == reference.namespace);
    pods.filter(|pod| claims(pod).contains(&reference)).collect()
}

/// The claim for one pod at a time that another pod uses.
pub fn exclusive(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let claims = claims(pod);
    let mut found = claims
        .iter()
        .filter_map(|claim| facts.get(claim))
        .filter(|claim| claim.list("/spec/accessModes").iter().any(|mode| mode == "ReadWriteOncePod"));
    let Some(claim) = found.next() else {
        return ("a claim of it is for one pod at a time, and another pod uses it".to_owned(), Vec::new());
    };
    let holder = users(facts, claim).into_iter().find(|user| !user.text("/spec/nodeName").is_empty());
    let fact = holder.map(|user| format!("{} uses it", user.reference()));
    let summary = format!("its claim {} is ReadWriteOncePod, and another pod uses it", claim.name());
    (summary, fact.into_iter().collect())
}

/// True if a node satisfies the affinity of a volume.
fn can_use(terms: &[Value], node: &Object) -> bool {
    let labels = node.map("/metadata/labels");
    let holds = |term: &Value| {
        list(term, "/matchExpressions").iter().all(|expression| selectors::holds(&labels, expression))
    };
    terms.is_empty() || terms.iter().any(holds)
}

/// The affinity of the volume that a claim is bound to.
fn terms<'f>(facts: &'f Facts, claim: &Reference) -> &'f [Value] {
    let bound = facts.get(claim).map_or("", |claim| claim.text("/spec/volumeName"));
    let volume = facts.get(&Reference::new(Kind::PersistentVolume, "", bound));
    volume.map_or(&[], |volume| volume.list("/spec/nodeAffinity/required/nodeSelectorTerms"))
}

/// True if a node can use all volumes of a pod, as far as they are known.
pub fn fits(facts: &Facts, pod: &Object, node: &Object) -> bool {
    claims(pod).iter().all(|claim| can_use(terms(facts, claim), node))
}

/// True if a volume for a claim of a pod is being made for the node that the scheduler chose: what the pod's condition
/// says is then older.
pub fn is_being_made(facts: &Facts, pod: &Object) -> bool {
    claims(pod).iter().filter_map(|claim| facts.get(claim)).any(|claim| {
        let annotations = claim.map("/metadata/annotations");
        claim.text("/status/phase") == "Pending" && annotations.iter().any(|(key, _)| *key == SELECTED)
    })
}

/// The volume that keeps a pod on nodes that cannot take it, and the nodes that can use the volume.
pub fn explain(facts: &Facts, pod: &Object) -> Option<(String, Vec<String>)> {
    claims(pod).iter().find_map(|claim| {
        let bound = facts.get(claim)?.text("/spec/volumeName");
        let terms = terms(facts, claim);
        if terms.is_empty() {
            return None;
        }
        let wanted: Vec<String> = terms
            .iter()
            .map(|term| {
                let all: Vec<String> = list(term, "/matchExpressions").iter().map(selectors::show).collect();
                all.join(" and ")
            })
            .collect();
        let summary = format!(
            "its claim {} is bound to a volume that only nodes with {} can use",
            claim.name,
            wanted.join(", or ")
        );
        let nodes = facts.all(Kind::Node).filter(|node| can_use(terms, node));
        let nodes: Vec<&str> = nodes.map(Object::name).collect();
        let fact = match nodes.as_slice() {
            [] if super::are_nodes_known(facts) => format!("no node can use volume {bound}"),
            [] => format!("volume {bound}"),
            nodes => format!("volume {bound} can be used on {}, which cannot take the pod", names(nodes)),
        };
        Some((summary, vec![fact]))
    })
}
