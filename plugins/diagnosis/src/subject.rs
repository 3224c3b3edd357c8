//! The objects that a person means by a name.

use std::collections::BTreeSet;

use crate::{
    Facts, Kind, Object, Reference, names,
    object::text,
    source::{List, Source},
};

/// Namespaces in which a name is looked at, if none is given.
pub(crate) const PLACES: usize = 3;
/// Kinds that people ask about, except for pods.
const KINDS: [Kind; 10] = [
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::CronJob,
    Kind::Job,
    Kind::Service,
    Kind::Ingress,
    Kind::PersistentVolumeClaim,
    Kind::HorizontalPodAutoscaler,
    Kind::Node,
];
/// Bytes of a line about an object.
pub(crate) const MAX_LINE: usize = 400;
/// Fields by which an object is found.
const FIELDS: [&str; 5] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.ownerReferences",
    "spec.rules[].host",
];
/// Labels whose value is the name of an application or of a Helm release.
const NAME_LABELS: [&str; 4] = ["app.kubernetes.io/instance", "app.kubernetes.io/name", "app", "k8s-app"];

/// Kinds that people ask about.
pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    KINDS.into_iter().chain([Kind::Pod])
}

/// The label whose value is a Helm release: all of its objects are meant, whatever they are called.
const RELEASE: &str = "app.kubernetes.io/instance";

/// A name, and the kind if it was given: `deployment/web` has both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) kind: Option<Kind>,
    pub(crate) name: String,
}

impl Name {
    /// # Errors
    /// A sentence for the model, if `kind` is none that a diagnosis knows.
    pub(crate) fn parse(name: &str, kind: Option<&str>) -> Result<Self, String> {
        let name = without_scheme(name.trim());
        let (prefix, rest) =
            name.split_once('/').map_or((None, name), |(kind, name)| (Kind::parse(kind), name));
        let kind = match kind.map(str::trim).filter(|kind| !kind.is_empty()) {
            None => prefix,
            Some(kind) => Some(Kind::parse(kind).ok_or_else(|| {
                format!(
                    "kind {kind:?} is not one that diagnose knows: leave it out, or use resources_describe"
                )
            })?),
        };
        Ok(Self { kind, name: if prefix.is_some() { rest.to_owned() } else { name.to_owned() } })
    }

    /// The objects of `candidates` that may be meant if none has the name; what another one owns stands for its owner.
    pub(crate) fn alike<'o>(&self, candidates: impl Iterator<Item = &'o Object>) -> Vec<Reference> {
        let candidates: Vec<&Object> = candidates.filter(|object| self.is_of_kind(object)).collect();
        let references = without_owned(&candidates.iter().collect::<Vec<_>>());
        names::alike(&self.name, references.iter().map(|object| (object.name.as_str(), object.clone())))
    }

    fn is_of_kind(&self, object: &Object) -> bool {
        match self.kind {
            Some(kind) => object.kind() == kind,
            None => object.kind() == Kind::Pod || KINDS.contains(&object.kind()),
        }
    }

    /// The objects of `candidates` that are meant: those whose name fits best. What another one owns is left out.
    pub(crate) fn matches<'o>(&self, candidates: impl Iterator<Item = &'o Object>) -> Vec<Reference> {
        let candidates: Vec<&Object> = candidates.filter(|object| self.is_of_kind(object)).collect();
        for fit in [Fit::Whole, Fit::Beginning, Fit::Label, Fit::Part] {
            let found: Vec<&&Object> =
                candidates.iter().filter(|object| fit.holds(&self.name, object)).collect();
            if !found.is_empty() {
                return without_owned(&found);
            }
        }
        Vec::new()
    }
}

/// The way in which a name fits an object, the best first.
#[derive(Debug, Clone, Copy)]
enum Fit {
    Whole,
    Beginning,
    Label,
    Part,
}

impl Fit {
    fn holds(self, name: &str, object: &Object) -> bool {
        match self {
            Self::Whole => object.name() == name || has_host(object, name),
            Self::Beginning => {
                object.name().strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.']))
                    || object.map("/metadata/labels").contains(&(RELEASE, name))
            }
            Self::Label => object
                .map("/metadata/labels")
                .iter()
                .any(|(key, value)| NAME_LABELS.contains(key) && *value == name),
            Self::Part => object.name().contains(name),
        }
    }
}

/// True if an Ingress serves a host, or a Service has it in the DNS of the cluster.
fn has_host(object: &Object, name: &str) -> bool {
    match object.kind() {
        Kind::Ingress => hosts(object).into_iter().any(|host| match host.strip_prefix("*.") {
            // A star stands for one label.
            Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => !host.is_empty() && host == name,
        }),
        Kind::Service => {
            let rest = name.strip_prefix(object.name()).and_then(|rest| rest.strip_prefix('.'));
            let rest = rest.and_then(|rest| rest.strip_prefix(object.namespace()));
            rest.is_some_and(|rest| rest.is_empty() || rest == ".svc" || rest.starts_with(".svc."))
        }
        _ => false,
    }
}

/// `app.example.com` of `https://app.example.com:8443/cart`.
fn without_scheme(name: &str) -> &str {
    match name.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#', ':']).next().unwrap_or(rest),
        None => name,
    }
}

/// The objects that none of the others controls, directly or through a ReplicaSet of the same prefix.
fn without_owned(found: &[&&Object]) -> Vec<Reference> {
    let names: BTreeSet<(&str, &str)> =
        found.iter().map(|object| (object.kind().name(), object.name())).collect();
    let is_owned = |object: &Object| match object.owner() {
        // A ReplicaSet is `<Deployment>-<hash>`.
        Some(("ReplicaSet", name)) => {
            name.rsplit_once('-').is_some_and(|(name, _)| names.contains(&("Deployment", name)))
        }
        Some(owner) => names.contains(&owner),
        None => false,
    };
    found.iter().filter(|object| !is_owned(object)).map(|object| object.reference()).collect()
}

/// The namespaces in which a name was looked for.
pub(crate) struct Places {
    /// Those that have something of the name, at most a few.
    pub(crate) namespaces: Vec<String>,
    /// The number of all that have.
    pub(crate) count: usize,
    /// Objects that may be meant, if none has it.
    pub(crate) alike: Vec<Reference>,
}

/// The namespaces that have something of the name, or else what has nearly the name.
pub(crate) fn places(source: &mut impl Source, facts: &mut Facts, name: &Name) -> Places {
    let kinds = KINDS.iter().copied().filter(|kind| name.kind.is_none_or(|wanted| wanted == *kind));
    let mut lists: Vec<List> = kinds.map(|kind| everywhere(kind, None)).collect();
    // A kind that people seldom ask about is looked at only if it is named.
    let other = name.kind.filter(|kind| *kind != Kind::Pod && !KINDS.contains(kind));
    lists.extend(other.map(|kind| everywhere(kind, None)));
    if name.kind.is_none_or(|kind| kind == Kind::Pod) {
        // All pods of a large cluster are too many to look at for a part of a name.
        lists.push(everywhere(Kind::Pod, Some(format!("metadata.name={}", name.name))));
    }
    let mut objects = Vec::new();
    for (list, answer) in lists.iter().zip(source.lists(&lists)) {
        match answer {
            Ok(listed) => objects.extend(listed.items.into_iter().map(|value| Object::new(list.kind, value))),
            Err(crate::source::Unread::Failed(why)) => {
                facts.add_gap(format!("{} of all namespaces", list.kind.plural()), why);
            }
            Err(_) => {}
        }
    }
    let found: BTreeSet<String> =
        name.matches(objects.iter()).into_iter().map(|reference| reference.namespace).collect();
    let alike = if found.is_empty() { name.alike(objects.iter()) } else { Vec::new() };
    Places { count: found.len(), namespaces: found.into_iter().take(PLACES).collect(), alike }
}

fn everywhere(kind: Kind, field_selector: Option<String>) -> List {
    List { kind, namespace: None, field_selector, fields: FIELDS.to_vec(), is_first_page: false }
}

/// Hosts of an Ingress.
pub(crate) fn hosts(ingress: &Object) -> Vec<&str> {
    ingress
        .list("/spec/rules")
        .iter()
        .map(|rule| text(rule, "/host"))
        .filter(|host| !host.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::has_host;
    use crate::{Kind, Object, recorded::with};

    #[test]
    fn a_host_is_that_of_an_ingress_or_of_a_service_in_the_dns_of_the_cluster() {
        for (host, name, expected) in [
            ("app.example.com", "app.example.com", true),
            ("app.example.com", "example.com", false),
            ("*.example.com", "app.example.com", true),
            ("*.example.com", "app.example.org", false),
            ("*.example.com", "a.b.example.com", false),
            ("", "", false),
        ] {
            let ingress = with("Ingress", "web", json!({"rules": [{"host": host}]}), json!({}));
            assert_eq!(has_host(&Object::new(Kind::Ingress, ingress), name), expected, "{host} {name}");
        }
        for (name, expected) in [
            ("web.shop", true),
            ("web.shop.svc", true),
            ("web.shop.svc.cluster.local", true),
            ("web.shop.example.com", false),
            ("web.shopping", false),
            ("web.other.svc", false),
            ("mail.shop", false),
        ] {
            let service = with("Service", "web", json!({}), json!({}));
            assert_eq!(has_host(&Object::new(Kind::Service, service), name), expected, "{name}");
        }
    }
}
