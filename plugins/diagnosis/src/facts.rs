//! The facts: all that was read of a cluster, and a note of all that was not. Rules see nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::{Kind, Object, Reference, demand::Demand, event::Event, log::Log, needs, time};

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
    /// The read that was not made: `Events in shop`.
    pub what: String,
    /// The reason: `forbidden`.
    pub why: String,
}

/// The facts of one diagnosis.
#[derive(Debug, Default)]
pub struct Facts {
    objects: BTreeMap<Reference, Object>,
    /// The objects that each object controls.
    owned: BTreeMap<Reference, Vec<Reference>>,
    /// The pods that need each object.
    users: BTreeMap<Reference, Vec<Reference>>,
    /// The events about each object. In a namespace full of trouble there are a thousand of both.
    events: BTreeMap<Reference, Vec<Reference>>,
    /// Lists that were read whole, by kind and namespace; an empty namespace is the whole cluster.
    listed: BTreeSet<(Kind, String)>,
    absent: BTreeSet<Reference>,
    gaps: BTreeSet<Gap>,
    logs: Vec<Log>,
    /// Pods of namespaces of many, and the number of those that each stands for, with itself.
    weights: BTreeMap<Reference, usize>,
    /// Requests of the pods of all namespaces by node, if all are known.
    requested: Option<BTreeMap<String, Demand>>,
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
        if !self.objects.contains_key(&reference) {
            self.index(&object, &reference);
        }
        self.objects.insert(reference, object);
    }

    fn index(&mut self, object: &Object, reference: &Reference) {
        if let Some((kind, name)) = object.owner()
            && let Some(kind) = Kind::of_object(kind)
        {
            let owner = Reference::new(kind, object.namespace(), name);
            self.owned.entry(owner).or_default().push(reference.clone());
        }
        match object.kind() {
            Kind::Pod => {
                let needed: BTreeSet<Reference> =
                    needs::needs(object).into_iter().map(|need| need.object).collect();
                for object in needed {
                    self.users.entry(object).or_default().push(reference.clone());
                }
            }
            Kind::Event => {
                if let Some(object) = Event::new(object).object() {
                    self.events.entry(object).or_default().push(reference.clone());
                }
            }
            _ => {}
        }
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

    /// Adds the end of a log whose search did not come that far: its lines that are later than the last one found.
    pub(crate) fn add_log_end(&mut self, pod: &Reference, container: &str, text: &str) {
        let is_it = |log: &&mut Log| {
            log.is_search
                && (&log.namespace, &log.pod) == (&pod.namespace, &pod.name)
                && log.container == container
        };
        let Some(log) = self.logs.iter_mut().find(is_it) else { return };
        let at = |line: &str| time::parse(line.split(' ').next().unwrap_or_default());
        let last = log.text.lines().rev().find_map(at);
        let later = text.lines().skip_while(|line| at(line) <= last);
        log.end = later.collect::<Vec<_>>().join("\n");
    }

    /// The reads that were not made.
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
        self.from(kind, "").take_while(move |object| object.kind() == kind)
    }

    /// Those of a namespace; of a cluster-scoped kind, all of them.
    pub fn within<'f>(&'f self, kind: Kind, namespace: &'f str) -> impl Iterator<Item = &'f Object> {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        self.from(kind, namespace)
            .take_while(move |object| object.kind() == kind && object.namespace() == namespace)
    }

    /// The objects from the first of a kind and namespace on, in the order of kinds.
    fn from(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Object> {
        let first = Reference::new(kind, namespace, "");
        self.objects.range((Bound::Included(first), Bound::Unbounded)).map(|(_, object)| object)
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
    pub fn owned_by<'f>(&'f self, owner: &Object) -> impl Iterator<Item = &'f Object> + use<'f> {
        self.indexed(&self.owned, &owner.reference())
    }

    /// The pods that need an object: that mount a claim, or take their environment from a ConfigMap.
    pub fn users<'f>(&'f self, object: &Reference) -> impl Iterator<Item = &'f Object> + use<'f> {
        self.indexed(&self.users, object)
    }

    fn indexed<'f>(
        &'f self,
        index: &'f BTreeMap<Reference, Vec<Reference>>,
        reference: &Reference,
    ) -> impl Iterator<Item = &'f Object> + use<'f> {
        index.get(reference).into_iter().flatten().filter_map(|reference| self.objects.get(reference))
    }

    /// The controller of an object, if it was read.
    pub fn owner(&self, object: &Object) -> Option<&Object> {
        let (kind, name) = object.owner()?;
        self.get(&Reference::new(Kind::of_object(kind)?, object.namespace(), name))
    }

    /// The workload at the top of an object's chain of owners, or the object itself.
    pub fn root<'f>(&'f self, object: &'f Object) -> &'f Object {
        // A chain is pod, ReplicaSet, Deployment or pod, Job, CronJob; an object that owns itself would be a loop.
        let chain = std::iter::successors(Some(object), |object| self.owner(object));
        chain.take(4).last().unwrap_or(object)
    }

    /// The pods under a workload.
    pub fn pods_of<'f>(&'f self, workload: &'f Object) -> Vec<&'f Object> {
        let mut pods: Vec<&Object> = Vec::new();
        let mut open: Vec<&Object> = vec![workload];
        // CronJob, Job, pod: no chain is longer.
        for _ in 0..3 {
            let owned: Vec<&Object> = open.iter().flat_map(|owner| self.owned_by(owner)).collect();
            pods.extend(owned.iter().filter(|object| object.kind() == Kind::Pod));
            open = owned.into_iter().filter(|object| object.kind() != Kind::Pod).collect();
        }
        pods.sort_by_key(|pod: &&Object| pod.name());
        pods
    }

    /// The events of an object, the newest first.
    pub fn events(&self, object: &Object) -> Vec<Event<'_>> {
        let mut events: Vec<Event<'_>> = self
            .indexed(&self.events, &object.reference())
            .map(Event::new)
            .filter(|event| event.is_of(object))
            .collect();
        events.sort_by_key(|event| (std::cmp::Reverse(event.last_seen()), event.reason()));
        events
    }

    /// Notes that a pod stands for several.
    pub(crate) fn set_weight(&mut self, pod: Reference, count: usize) {
        self.weights.insert(pod, count);
    }

    /// Objects that an object stands for, with itself.
    pub(crate) fn weight(&self, reference: &Reference) -> usize {
        self.weights.get(reference).copied().unwrap_or(1)
    }

    /// Pods of a namespace that stand for others.
    pub(crate) fn weight_of(&self, namespace: &str) -> usize {
        self.weights.keys().filter(|pod| pod.namespace == namespace).count()
    }

    /// Sets what the pods of all namespaces request of each node.
    pub fn set_requested(&mut self, requested: BTreeMap<String, Demand>) {
        self.requested = Some(requested);
    }

    /// Requests of the pods of all namespaces of each node; None if not all pods are known.
    pub fn requested(&self) -> Option<&BTreeMap<String, Demand>> {
        self.requested.as_ref()
    }
}
