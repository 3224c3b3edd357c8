//! The objects that matter for a subject: those that it owns, needs, selects or calls, and what these need in turn.

use std::collections::BTreeSet;

use crate::{Facts, Kind, Object, Reference, history, names, needs};

/// The subject, and everything that it depends on as far as facts tell.
pub fn related(facts: &Facts, subject: impl IntoIterator<Item = Reference>) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Reference> = subject.into_iter().collect();
    let asked = open.clone();
    while let Some(reference) = open.pop() {
        // A missing object has no edges, and is related all the same.
        if found.insert(reference.clone())
            && let Some(object) = facts.get(&reference)
        {
            open.extend(edges(facts, object));
        }
    }
    found.extend(
        asked.iter().filter_map(|reference| facts.get(reference)).flat_map(|object| doors(facts, object)),
    );
    found
}

/// The objects through which others use a workload: Services that select its pods, Ingresses before them, autoscalers.
/// Their other dependencies are another question.
fn doors(facts: &Facts, object: &Object) -> Vec<Reference> {
    let namespace = object.namespace();
    let reference = object.reference();
    let needs = |other: &Object, wanted: &Reference| {
        needs::needs(other).into_iter().any(|need| need.object == *wanted)
    };
    let services = facts.within(Kind::Service, namespace).filter(|service| {
        let labels = labels_of_pods(object);
        let selector = service.map("/spec/selector");
        !selector.is_empty() && has_labels(&labels, &selector)
    });
    let mut doors: Vec<Reference> = services.map(Object::reference).collect();
    doors.extend(missed_by(facts, object).map(Object::reference));
    let behind: Vec<Reference> = doors.iter().chain([&reference]).cloned().collect();
    let ingresses = facts.within(Kind::Ingress, namespace);
    let ingresses = ingresses.filter(|ingress| behind.iter().any(|service| needs(ingress, service)));
    doors.extend(ingresses.map(Object::reference));
    let scalers = facts.within(Kind::HorizontalPodAutoscaler, namespace);
    doors.extend(scalers.filter(|scaler| needs(scaler, &reference)).map(Object::reference));
    doors
}

/// Services that select no pod, and that miss those of `object` by one label.
fn missed_by<'f>(facts: &'f Facts, object: &'f Object) -> impl Iterator<Item = &'f Object> {
    let labels = labels_of_pods(object);
    let is_missed = move |service: &&Object| {
        let selector = service.map("/spec/selector");
        let wrong: Vec<_> = selector.iter().filter(|label| !labels.contains(label)).collect();
        let [(key, wanted)] = wrong.as_slice() else { return false };
        let own = labels.iter().find(|(other, _)| other == key).map(|(_, value)| *value);
        // Of a selector of one label, any pod of the namespace would else be missed by one.
        let is_near = own.is_some_and(|own| !names::near(wanted, std::iter::once(own)).is_empty());
        (selector.len() > 1 || is_near)
            && service.text("/spec/type") != "ExternalName"
            && selected(facts, service).next().is_none()
            && workloads_behind(facts, service).next().is_none()
    };
    facts.within(Kind::Service, object.namespace()).filter(is_missed)
}

/// The labels of a pod, or of the pods that a workload makes.
pub fn labels_of_pods(object: &Object) -> Vec<(&str, &str)> {
    match object.kind() {
        Kind::Pod => object.map("/metadata/labels"),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet => {
            object.map("/spec/template/metadata/labels")
        }
        _ => Vec::new(),
    }
}

/// The workloads whose pods a Service selects, also if they have none now.
pub fn workloads_behind<'f>(facts: &'f Facts, service: &'f Object) -> impl Iterator<Item = &'f Object> {
    let selector = service.map("/spec/selector");
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
    let workloads = kinds.into_iter().flat_map(|kind| facts.within(kind, service.namespace()));
    workloads.filter(move |workload| !selector.is_empty() && has_labels(&labels_of_pods(workload), &selector))
}

/// The nearest objects that `object` depends on, or that it consists of.
fn edges(facts: &Facts, object: &Object) -> Vec<Reference> {
    let mut edges: Vec<Reference> = needs::needs(object).into_iter().map(|need| need.object).collect();
    let namespace = object.namespace();
    match object.kind() {
        // Of a namespace that is in trouble itself, not all that it contains.
        Kind::Node | Kind::Namespace | Kind::Event => return Vec::new(),
        Kind::ApiService => {
            let (namespace, name) =
                (object.text("/spec/service/namespace"), object.text("/spec/service/name"));
            edges.push(Reference::new(Kind::Service, namespace, name));
        }
        Kind::Service => {
            edges.extend(selected(facts, object).map(Object::reference));
            // A workload without pods is the reason only if no other serves in its place.
            if edges.is_empty() {
                edges.extend(workloads_behind(facts, object).map(Object::reference));
            }
            let slices = facts.within(Kind::EndpointSlice, namespace);
            edges.extend(slices.filter(|slice| is_slice_of(slice, object)).map(Object::reference));
        }
        Kind::PersistentVolumeClaim | Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount => {}
        _ => {
            let owned = facts.owned_by(object).filter(|owned| !history::is_past(facts, owned));
            edges.extend(owned.map(Object::reference));
            edges.extend(facts.owner(object).map(Object::reference));
            edges.extend(called(facts, object));
        }
    }
    edges
}

/// Services that a workload's environment or arguments name.
pub fn called(facts: &Facts, object: &Object) -> Vec<Reference> {
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
