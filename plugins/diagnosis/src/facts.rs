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
    /// Events by kind and name of the object that they are about: a scan of all for each object takes seconds.
    events: BTreeMap<(String, String), BTreeSet<Reference>>,
    /// Objects by namespace, kind and name of their owner.
    owned: BTreeMap<(String, String, String), BTreeSet<Reference>>,
    /// Lists that were read whole, by kind and namespace; an empty namespace is the whole cluster.
    listed: BTreeSet<(Kind, String)>,
    absent: BTreeSet<Reference>,
    gaps: BTreeSet<Gap>,
    logs: Vec<Log>,
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
        let reference = object.reference();
        if object.kind() == Kind::Event {
            let about = (object.text("/involvedObject/kind"), object.text("/involvedObject/name"));
            self.events
                .entry((about.0.to_owned(), about.1.to_owned()))
                .or_default()
                .insert(reference.clone());
        }
        if let Some((kind, name)) = object.owner() {
            let owner = (object.namespace().to_owned(), kind.to_owned(), name.to_owned());
            self.owned.entry(owner).or_default().insert(reference.clone());
        }
        self.objects.insert(reference, object);
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

    /// All logs that were read.
    pub fn all_logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.iter()
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
        let first = Reference { kind, namespace: String::new(), name: String::new() };
        let from = self.objects.range(first..).map(|(_, object)| object);
        from.take_while(move |object| object.kind() == kind)
    }

    /// Those of a namespace; of a cluster-scoped kind, all of them.
    pub fn within<'f>(&'f self, kind: Kind, namespace: &'f str) -> impl Iterator<Item = &'f Object> {
        let place = if kind.is_namespaced() { namespace } else { "" };
        let first = Reference { kind, namespace: place.to_owned(), name: String::new() };
        let objects = self.objects.range(first..);
        objects
            .take_while(move |(reference, _)| reference.kind == kind && reference.namespace == place)
            .map(|(_, object)| object)
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
        let key = (owner.namespace().to_owned(), owner.kind().name().to_owned(), owner.name().to_owned());
        self.owned.get(&key).into_iter().flatten().filter_map(|reference| self.get(reference))
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
        let mut pods = Vec::new();
        let mut open = vec![workload];
        // A chain is CronJob, Job, pod; an object that owns itself would be a loop.
        for _ in 0..4 {
            open = open.into_iter().flat_map(|owner| self.owned_by(owner)).collect();
            pods.extend(open.iter().copied().filter(|object| object.kind() == Kind::Pod));
        }
        pods.sort_by_key(|pod| pod.name());
        pods
    }

    /// The events of an object, the newest first.
    pub fn events(&self, object: &Object) -> Vec<Event<'_>> {
        let about = (object.kind().name().to_owned(), object.name().to_owned());
        let events =
            self.events.get(&about).into_iter().flatten().filter_map(|reference| self.get(reference));
        let mut events: Vec<Event<'_>> = events.map(Event::new).filter(|event| event.is_of(object)).collect();
        events.sort_by_key(|event| (std::cmp::Reverse(event.last_seen()), event.reason()));
        events
    }
}
