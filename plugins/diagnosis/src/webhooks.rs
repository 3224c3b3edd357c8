//! Admission webhooks that are called for new pods, and the Services that answer them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    Facts, Kind, Object, Presence, Reference,
    object::{list, text},
    refusals::{Check, between, shortages},
    relations, selectors,
};

/// The kinds that configure webhooks.
pub const KINDS: [Kind; 2] = [Kind::MutatingWebhookConfiguration, Kind::ValidatingWebhookConfiguration];

/// A webhook without which no pod is created in a namespace.
#[derive(Debug, Clone, Copy)]
pub struct Webhook<'f> {
    /// The object that configures it.
    pub configuration: &'f Object,
    /// Its entry there.
    pub entry: &'f Value,
}

impl<'f> Webhook<'f> {
    /// Its name: `validate.kyverno.svc-fail`.
    pub fn name(&self) -> &'f str {
        text(self.entry, "/name")
    }

    /// Its Service, if it has one.
    pub fn service(&self) -> Option<Reference> {
        let [namespace, name] =
            ["/namespace", "/name"].map(|field| text(self.entry, &format!("/clientConfig/service{field}")));
        (!name.is_empty()).then(|| Reference::new(Kind::Service, namespace, name))
    }

    /// True if a pod of these labels cannot be created in `namespace` without its answer.
    fn guards(&self, namespace: &Object, pod: &selectors::Labels<'_>) -> bool {
        let creates_pods = |rule: &Value| {
            let has = |field: &str, wanted: &[&str]| {
                list(rule, field).iter().filter_map(Value::as_str).any(|value| wanted.contains(&value))
            };
            has("/operations", &["CREATE", "*"])
                && has("/resources", &["pods", "*", "*/*"])
                && has("/apiGroups", &["", "*"])
                && text(rule, "/scope") != "Cluster"
        };
        let selects = |field: &str, labels: &selectors::Labels<'_>| {
            self.entry.pointer(field).is_none_or(|selector| selectors::selects(selector, labels))
        };
        // Conditions are programs: nothing follows from a webhook that has some.
        text(self.entry, "/failurePolicy") != "Ignore"
            && list(self.entry, "/matchConditions").is_empty()
            && list(self.entry, "/rules").iter().any(creates_pods)
            && selects("/namespaceSelector", &namespace.map("/metadata/labels"))
            && selects("/objectSelector", pod)
    }
}

/// The webhooks that `workload` needs to create a pod. None are known if its namespace is not.
pub fn guards<'f>(facts: &'f Facts, workload: &Object) -> Vec<Webhook<'f>> {
    let Presence::Found(namespace) = facts.find(Kind::Namespace, "", workload.namespace()) else {
        return Vec::new();
    };
    let labels = crate::object::map(workload.at("/spec/template/metadata/labels"));
    all(facts).filter(|webhook| webhook.guards(namespace, &labels)).collect()
}

fn all(facts: &Facts) -> impl Iterator<Item = Webhook<'_>> {
    KINDS.into_iter().flat_map(|kind| facts.all(kind)).flat_map(|configuration| {
        configuration.list("/webhooks").iter().map(move |entry| Webhook { configuration, entry })
    })
}

/// The webhook of a name.
pub fn find<'f>(facts: &'f Facts, name: &str) -> Option<Webhook<'f>> {
    all(facts).find(|webhook| webhook.name() == name)
}

/// The Service in the address that a message has: `https://hook.system.svc:443/path`.
pub fn service_of(message: &str) -> Option<Reference> {
    let host = between(message, "https://", &[':', '/', '?', '"'])?;
    let mut parts = host.strip_suffix(".svc")?.split('.');
    let (name, namespace) = (parts.next()?, parts.next()?);
    parts.next().is_none().then(|| Reference::new(Kind::Service, namespace, name))
}

/// Why a Service answers nothing, as far as its state tells.
pub fn outage(facts: &Facts, service: &Reference) -> Option<&'static str> {
    match facts.find(Kind::Service, &service.namespace, &service.name) {
        Presence::Absent => Some("its Service does not exist"),
        Presence::Unknown => None,
        Presence::Found(_) if !facts.is_listed(Kind::EndpointSlice, &service.namespace) => None,
        Presence::Found(object) if object.text("/spec/type") == "ExternalName" => None,
        Presence::Found(object) => {
            let slices = facts.within(Kind::EndpointSlice, &service.namespace);
            let mut endpoints = slices
                .filter(|slice| relations::is_slice_of(slice, object))
                .flat_map(|slice| slice.list("/endpoints"));
            // A condition that is not given counts as ready.
            let is_ready = |endpoint: &Value| {
                endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
            };
            (!endpoints.any(is_ready)).then_some("its Service has no ready endpoint")
        }
    }
}

/// The Services of the webhooks that pods of a namespace may be waiting for, to be read.
pub fn services_to_read(facts: &Facts, namespace: &str) -> BTreeSet<Reference> {
    shortages(facts)
        .iter()
        .filter(|shortage| shortage.workload.namespace() == namespace)
        .flat_map(|shortage| match &shortage.refusal {
            Some(refusal) if refusal.check() == Check::WebhookDown => {
                service_of(refusal.message).into_iter().collect::<Vec<_>>()
            }
            Some(_) => Vec::new(),
            None => guards(facts, shortage.workload).iter().filter_map(Webhook::service).collect(),
        })
        .collect()
}
