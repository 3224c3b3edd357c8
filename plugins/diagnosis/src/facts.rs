//! What was read of a cluster, and what was not: all that rules see.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Kind, Object, Reference, event::Event, log::Log};

/// An object, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub enum Presence<'f> {
    /// It was read.
    Found(&'f Object),
    /// It is known not to exist: the API server said so, or a whole list does not contain it.
    Absent,
    /// It was not read, or may not be: nothing follows from it.
    Unknown,
}

/// A read that was not made, or that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What would have been read: `Events in shop`.
    pub what: String,
    /// The reason: `forbidden`.
    pub why: String,
}

/// The facts of one diagnosis.
#[derive(Debug, Default)]
pub struct Facts {
    objects: BTreeMap<Reference, Object>,
    /// Lists that were read whole, by kind and namespace; an empty namespace is the whole cluster.
    listed: BTreeSet<(Kind, String)>,
    absent: BTreeSet<Reference>,
    gaps: BTreeSet<Gap>,
    logs: Vec<Log>,
    /// Requests of the pods of all namespaces by node, if all are known.
    requested: Option<BTreeMap<String, crate::demand::Demand>>,
    /// Seconds since 1970, by the API server's clock.
    pub now: u64,
}

impl Facts {
    /// No facts yet, at a time in seconds since 1970.
    pub fn new(now: u64) -> Self {
        Self { now, ..Self::default() }
    }

    /// Adds an object.
    pub fn add(&mut self, object: Object) {
        self.objects.insert(object.reference(), object);
    }

    /// Notes that all objects of a kind in a namespace (empty: in all of them) were added.
    pub fn add_list(&mut self, kind: Kind, namespace: &str) {
        self.listed.insert((kind, namespace.to_owned()));
    }

    /// Notes that the API server does not know an object.
    pub fn add_absent(&mut self, reference: Reference) {
        self.absent.insert(reference);
    }

    /// Notes that something was not read.
    pub fn add_gap(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.gaps.insert(Gap { what: what.into(), why: why.into() });
    }

    /// Adds a part of a log.
    pub fn add_log(&mut self, log: Log) {
        self.logs.push(log);
    }

    /// What was not read.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// The logs that were read of a pod.
    pub fn logs<'f>(&'f self, pod: &'f Object) -> impl Iterator<Item = &'f Log> {
        self.logs.iter().filter(|log| log.namespace == pod.namespace() && log.pod == pod.name())
    }

    /// True if all objects of a kind in a namespace are known.
    pub fn is_listed(&self, kind: Kind, namespace: &str) -> bool {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        [namespace, ""].into_iter().any(|namespace| self.listed.contains(&(kind, namespace.to_owned())))
    }

    /// An object by its identity.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Presence<'_> {
        let reference = Reference::new(kind, namespace, name);
        match self.objects.get(&reference) {
            Some(object) => Presence::Found(object),
            None if self.absent.contains(&reference) || self.is_listed(kind, namespace) => Presence::Absent,
            None => Presence::Unknown,
        }
    }

    /// An object that was read.
    pub fn get(&self, reference: &Reference) -> Option<&Object> {
        self.objects.get(reference)
    }

    /// All objects of a kind that were read, by namespace and name.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(move |object| object.kind() == kind)
    }

    /// Those of a namespace; of a cluster-scoped kind, all of them.
    pub fn within<'f>(&'f self, kind: Kind, namespace: &'f str) -> impl Iterator<Item = &'f Object> {
        self.all(kind).filter(move |object| !kind.is_namespaced() || object.namespace() == namespace)
    }

    /// The objects of every kind in a namespace, and the nodes.
    pub fn within_any<'f>(&'f self, namespace: &'f str) -> impl Iterator<Item = &'f Object> {
        self.objects
            .values()
            .filter(move |object| object.namespace() == namespace || object.kind() == Kind::Node)
    }

    /// Every object that was read.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The objects whose controller or first owner is `owner`.
    pub fn owned_by<'f>(&'f self, owner: &'f Object) -> impl Iterator<Item = &'f Object> {
        let is_owned = |object: &&Object| {
            object.namespace() == owner.namespace()
                && object.owner() == Some((owner.kind().name(), owner.name()))
        };
        self.objects.values().filter(is_owned)
    }

    /// The controller of an object, if it was read.
    pub fn owner(&self, object: &Object) -> Option<&Object> {
        let (kind, name) = object.owner()?;
        self.get(&Reference::new(Kind::parse(kind)?, object.namespace(), name))
    }

    /// The workload at the top of an object's chain of owners, or the object itself.
    pub fn root<'f>(&'f self, object: &'f Object) -> &'f Object {
        // A chain is pod, ReplicaSet, Deployment or pod, Job, CronJob; an object that owns itself would be a loop.
        let chain = std::iter::successors(Some(object), |object| self.owner(object));
        chain.take(4).last().unwrap_or(object)
    }

    /// The pods under a workload.
    pub fn pods_of<'f>(&'f self, workload: &'f Object) -> Vec<&'f Object> {
        let pods = self.within(Kind::Pod, workload.namespace());
        pods.filter(|pod| {
            let chain = std::iter::successors(self.owner(pod), |object| self.owner(object));
            chain.take(4).any(|owner| owner.reference() == workload.reference())
        })
        .collect()
    }

    /// The events of an object, the newest first.
    pub fn events(&self, object: &Object) -> Vec<Event<'_>> {
        let mut events: Vec<Event<'_>> =
            self.all(Kind::Event).map(Event::new).filter(|event| event.is_of(object)).collect();
        events.sort_by_key(|event| (std::cmp::Reverse(event.last_seen()), event.reason()));
        events
    }

    /// Sets what the pods of all namespaces request of each node.
    pub fn set_requested(&mut self, requested: BTreeMap<String, crate::demand::Demand>) {
        self.requested = Some(requested);
    }

    /// What the pods of all namespaces request of each node; None if not all pods are known.
    pub fn requested(&self) -> Option<&BTreeMap<String, crate::demand::Demand>> {
        self.requested.as_ref()
    }
}
