//! The objects that matter for a subject: those that it owns, needs, selects or calls, and what these need in turn.

use std::collections::BTreeSet;

use crate::{Facts, Kind, Object, Reference, needs};

/// The subject, and everything that it depends on as far as facts tell.
pub fn related(facts: &Facts, subject: impl IntoIterator<Item = Reference>) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Reference> = subject.into_iter().collect();
    while let Some(reference) = open.pop() {
        // A missing object has no edges, and is related all the same.
        if found.insert(reference.clone())
            && let Some(object) = facts.get(&reference)
        {
            open.extend(edges(facts, object));
        }
    }
    found
}

/// The nearest objects that `object` depends on, or that it consists of.
fn edges(facts: &Facts, object: &Object) -> Vec<Reference> {
    let mut edges: Vec<Reference> = needs::needs(object).into_iter().map(|need| need.object).collect();
    let namespace = object.namespace();
    match object.kind() {
        // Of a namespace that is in trouble itself, not all that it contains.
        Kind::Node | Kind::Namespace | Kind::Event => return Vec::new(),
        Kind::Service => {
            edges.extend(selected(facts, object).map(Object::reference));
            let slices = facts.within(Kind::EndpointSlice, namespace);
            edges.extend(slices.filter(|slice| is_slice_of(slice, object)).map(Object::reference));
        }
        Kind::PersistentVolumeClaim | Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount => {}
        _ => {
            edges.extend(facts.owned_by(object).map(Object::reference));
            edges.extend(facts.owner(object).map(Object::reference));
            edges.extend(called(facts, object));
        }
    }
    edges
}

/// Services that a workload's environment or arguments name.
fn called(facts: &Facts, object: &Object) -> Vec<Reference> {
    let Some(spec) = needs::pod_spec(object) else { return Vec::new() };
    let words: BTreeSet<&str> = needs::words(spec).into_iter().collect();
    let service = |word: &&str| {
        let mut labels = word.split('.');
        let name = labels.next()?;
        let namespace = labels.next().unwrap_or(object.namespace());
        let elsewhere = Reference::new(Kind::Service, namespace, name);
        let here = Reference::new(Kind::Service, object.namespace(), name);
        [elsewhere, here].into_iter().find(|reference| facts.get(reference).is_some())
    };
    words.iter().filter_map(service).collect()
}

/// The pods that a Service selects; none without a selector.
pub fn selected<'f>(facts: &'f Facts, service: &'f Object) -> impl Iterator<Item = &'f Object> {
    let selector = service.map("/spec/selector");
    facts
        .within(Kind::Pod, service.namespace())
        .filter(move |pod| !selector.is_empty() && has_labels(&pod.map("/metadata/labels"), &selector))
}

/// True if `labels` contain each of `wanted`.
pub fn has_labels(labels: &[(&str, &str)], wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|label| labels.contains(label))
}

/// True if an EndpointSlice belongs to a Service.
pub fn is_slice_of(slice: &Object, service: &Object) -> bool {
    slice.namespace() == service.namespace()
        && slice.map("/metadata/labels").contains(&("kubernetes.io/service-name", service.name()))
}
