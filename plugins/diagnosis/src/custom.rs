//! The state of custom resources: their own words, the resources that they own or refer to, and the pods behind them.

mod resource;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Listed, MAX_NAME, RULES, Reference, Request, Source, Unread,
    collect,
    event::Event,
    health, investigate,
    object::{list, text},
    rank::CAUSES,
    render,
};
use resource::{Judgement, Resource, State};

/// Kinds that are looked at: an operator may bring a hundred.
const KINDS: usize = 80;
/// Resources that are looked into.
const SUBJECTS: usize = 3;
/// Namespaces in which what they own is read.
const NAMESPACES: usize = 2;
/// Owners above one another.
const DEPTH: usize = 6;
/// Resources that a spec refers to.
const REFERENCES: usize = 8;
/// Bytes of a line.
const LINE: usize = 400;

/// Groups of kinds that come with Kubernetes. Others that end with `.k8s.io`, such as the gateways, are custom.
const BUILT_IN: [&str; 27] = [
    "",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "extensions",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "custom.metrics.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "external.metrics.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "metrics.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Fields of a custom resource that are read of all.
pub const CUSTOM_FIELDS: [&str; 16] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.ownerReferences",
    "metadata.deletionTimestamp",
    "metadata.finalizers",
    "status.conditions",
    "status.observedGeneration",
    "status.phase",
    "status.state",
    "status.status",
    "status.health",
    "status.message",
    "status.reason",
    "status.replicas",
];

/// A kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKind {
    /// `cert-manager.io`
    pub group: String,
    /// `certificates`
    pub plural: String,
    /// `Certificate`
    pub kind: String,
    /// `cert`
    pub short_names: Vec<String>,
    /// True if its objects live in a namespace.
    pub is_namespaced: bool,
}

impl CustomKind {
    /// The resource with its group, as a read names it.
    pub fn resource(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    fn is_called(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let own = [self.kind.to_lowercase(), self.plural.clone(), self.resource()];
        own.contains(&name)
            || self.short_names.contains(&name)
            || name == format!("{}.{}", own[0], self.group)
    }
}

/// A list of custom resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomList {
    /// Its kind.
    pub kind: CustomKind,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Only the object of this name, with its spec.
    pub name: Option<String>,
}

/// A cluster whose custom resources can be read.
pub trait CustomSource: Source {
    /// All kinds that the cluster serves and that can be listed.
    fn kinds(&mut self) -> Result<Vec<CustomKind>, Unread>;
    /// Lists of custom resources, with [`CUSTOM_FIELDS`] of each.
    fn customs(&mut self, lists: &[CustomList]) -> Vec<Result<Listed, Unread>>;
}

/// All that was read.
struct Cluster {
    facts: Facts,
    kinds: Vec<CustomKind>,
    resources: Vec<Resource>,
    /// Lists that were read whole: resource, and namespace (empty: all).
    listed: BTreeSet<(String, String)>,
}

/// Answers a question about custom resources with at most three causes and their evidence.
///
/// # Errors
/// A sentence for the model: a kind that is none, or a name that nothing has.
pub fn diagnose_custom(request: &Request, source: &mut impl CustomSource) -> Result<String, String> {
    let given = |text: &Option<String>| {
        let text = render::line(text.as_deref().unwrap_or_default(), MAX_NAME);
        Some(text).filter(|text| !text.is_empty())
    };
    let (name, namespace, kind) = (given(&request.name), given(&request.namespace), given(&request.kind));
    // `certificate/web` names both.
    let (kind, name) = match name.as_deref().and_then(|name| name.split_once('/')) {
        Some((prefix, rest)) => (kind.or(Some(prefix.to_owned())), Some(rest.to_owned())),
        None => (kind, name),
    };
    let mut kinds = source.kinds().map_err(|error| match error {
        Unread::Failed(why) => format!("the kinds that the cluster serves cannot be read: {why}"),
        _ => "the kinds that the cluster serves cannot be read".to_owned(),
    })?;
    kinds.retain(|kind| !BUILT_IN.contains(&kind.group.as_str()));
    kinds.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
    let wanted: Vec<CustomKind> =
        kinds.iter().filter(|one| kind.as_deref().is_none_or(|kind| one.is_called(kind))).cloned().collect();
    if wanted.is_empty() {
        return Err(match kind {
            None => "this cluster serves no custom kinds; diagnose knows the built-in ones".to_owned(),
            Some(kind) if Kind::parse(&kind).is_some() => {
                format!("kind {kind:?} is built in: ask diagnose")
            }
            Some(kind) => {
                format!("no custom kind is called {kind:?}; api_resources_list has those there are")
            }
        });
    }
    let mut cluster =
        Cluster { facts: Facts::new(source.now()), kinds, resources: Vec::new(), listed: BTreeSet::new() };
    cluster.read(source, &wanted, namespace.as_deref());
    let subject = cluster.subject(name.as_deref(), namespace.as_deref(), wanted.len())?;
    if subject.is_empty() {
        let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        let (kinds, looked_at, gaps) = (wanted.len(), cluster.resources.len(), cluster.gaps());
        return Ok(format!(
            "no custom resource of {kinds} kinds{place} says that it is not well: {looked_at} looked at{gaps}"
        ));
    }
    cluster.read_around(source, &subject);
    Ok(cluster.answer(source, &subject))
}

impl Cluster {
    /// Reads the resources of some kinds, in a namespace or in all.
    fn read(&mut self, source: &mut impl CustomSource, kinds: &[CustomKind], namespace: Option<&str>) {
        let is_new = |list: &CustomList| {
            let place = list.namespace.clone().unwrap_or_default();
            !self.listed.contains(&(list.kind.resource(), place))
                && !self.listed.contains(&(list.kind.resource(), String::new()))
        };
        let list = |kind: &CustomKind| CustomList {
            kind: kind.clone(),
            namespace: namespace.filter(|_| kind.is_namespaced).map(str::to_owned),
            name: None,
        };
        let lists: Vec<CustomList> = kinds.iter().take(KINDS).map(list).filter(is_new).collect();
        let left_out = kinds.len().saturating_sub(KINDS);
        if left_out > 0 {
            self.facts.add_gap(format!("{left_out} more custom kinds"), "name a kind");
        }
        for (list, answer) in lists.iter().zip(source.customs(&lists)) {
            match answer {
                Ok(Listed { items, cut }) => {
                    let known: BTreeSet<String> =
                        self.resources.iter().map(|resource| resource.uid().to_owned()).collect();
                    let new = items.into_iter().map(|item| Resource::new(&list.kind, item));
                    self.resources.extend(
                        new.filter(|resource| resource.uid().is_empty() || !known.contains(resource.uid())),
                    );
                    match cut.is_empty() {
                        true => {
                            let place = list.namespace.clone().unwrap_or_default();
                            self.listed.insert((list.kind.resource(), place));
                        }
                        false => self.facts.add_gap(format!("some {}", list.kind.resource()), cut),
                    }
                }
                Err(Unread::NotFound | Unread::Unsupported) => {}
                Err(Unread::Failed(why)) => self.facts.add_gap(list.kind.resource(), why),
            }
        }
    }

    /// The resources that are meant, as their places: those of the best fitting name, or else those that are not well, if
    /// there are any.
    fn subject(
        &self,
        name: Option<&str>,
        namespace: Option<&str>,
        kinds: usize,
    ) -> Result<Vec<usize>, String> {
        let all = || self.resources.iter().enumerate();
        let places = |is_meant: &dyn Fn(&Resource) -> bool| -> Vec<usize> {
            all().filter(|(_, resource)| is_meant(resource)).map(|(at, _)| at).collect()
        };
        let Some(name) = name else {
            let uids = self.unwell_uids();
            // What another one owns that is not well is part of it.
            let unwell = places(&|one| {
                self.state(one) == State::Unwell && !one.owners().any(|owner| uids.contains(owner))
            });
            return Ok(unwell);
        };
        let fits: [&dyn Fn(&Resource) -> bool; 3] = [
            &|one| one.name() == name,
            &|one| one.name().strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.'])),
            &|one| one.name().contains(name),
        ];
        let found = fits.iter().map(|fit| places(*fit)).find(|found| !found.is_empty());
        // What is owned by another one that is meant is part of it.
        let found = found.map(|found| {
            let uids: BTreeSet<&str> =
                found.iter().filter_map(|at| self.resources.get(*at)).map(Resource::uid).collect();
            let is_top = |at: &usize| {
                self.resources.get(*at).is_some_and(|one| !one.owners().any(|owner| uids.contains(owner)))
            };
            found.iter().copied().filter(is_top).collect()
        });
        found.ok_or_else(|| {
            let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
            format!(
                "no custom resource{place} has that in its name, of {kinds} kinds; diagnose looks at the built-in ones{}",
                self.gaps()
            )
        })
    }

    /// A line for what was not read; empty if there is nothing.
    fn gaps(&self) -> String {
        match render::gaps(&self.facts) {
            gaps if gaps.is_empty() => gaps,
            gaps => format!("\nnot checked: {gaps}"),
        }
    }

    fn state(&self, resource: &Resource) -> State {
        resource.judge(self.facts.now).state
    }

    /// The uids of all resources that are not well.
    fn unwell_uids(&self) -> BTreeSet<&str> {
        let unwell = self.resources.iter().filter(|one| self.state(one) == State::Unwell);
        unwell.map(Resource::uid).filter(|uid| !uid.is_empty()).collect()
    }

    fn owns_one_of(&self, owner: &Resource, uids: &BTreeSet<&str>) -> bool {
        let is_owned = |other: &&Resource| other.owners().any(|uid| !uid.is_empty() && uid == owner.uid());
        self.resources.iter().filter(is_owned).any(|owned| uids.contains(owned.uid()))
    }

    /// Reads what the subject may own or refer to: the other custom kinds and the built-in ones in its namespaces.
    fn read_around(&mut self, source: &mut impl CustomSource, subject: &[usize]) {
        let shown: Vec<Resource> =
            subject.iter().take(SUBJECTS).filter_map(|at| self.resources.get(*at)).cloned().collect();
        let places: BTreeSet<String> = shown
            .iter()
            .map(|resource| resource.namespace().to_owned())
            .filter(|place| !place.is_empty())
            .collect();
        let kinds = self.kinds.clone();
        for place in places.iter().take(NAMESPACES) {
            self.read(source, &kinds, Some(place));
            collect::namespace(source, &mut self.facts, place);
        }
    }

    /// The resource and all that it owns, directly or through others.
    fn family<'r>(&'r self, resource: &'r Resource) -> Vec<&'r Resource> {
        let mut family = vec![resource];
        let mut uids = BTreeSet::from([resource.uid()]);
        for _ in 0..DEPTH {
            let is_new = |other: &&Resource| {
                !uids.contains(other.uid())
                    && other.owners().any(|owner| !owner.is_empty() && uids.contains(owner))
            };
            let owned: Vec<&Resource> = self.resources.iter().filter(is_new).collect();
            if owned.is_empty() {
                break;
            }
            uids.extend(owned.iter().map(|owned| owned.uid()));
            family.extend(owned);
        }
        family
    }

    /// The built-in objects that a family owns.
    fn objects_of(&self, family: &[&Resource]) -> Vec<Reference> {
        let uids: BTreeSet<&str> = family.iter().map(|one| one.uid()).filter(|uid| !uid.is_empty()).collect();
        let is_owned = |object: &&crate::Object| {
            object.list("/metadata/ownerReferences").iter().any(|owner| uids.contains(text(owner, "/uid")))
        };
        self.facts.objects().filter(is_owned).map(crate::Object::reference).collect()
    }

    fn answer(mut self, source: &mut impl CustomSource, subject: &[usize]) -> String {
        let shown: Vec<Resource> =
            subject.iter().take(SUBJECTS).filter_map(|at| self.resources.get(*at)).cloned().collect();
        let mut owned: Vec<Reference> = Vec::new();
        for resource in &shown {
            owned.extend(self.objects_of(&self.family(resource)));
        }
        let mut facts = std::mem::take(&mut self.facts);
        let (_, findings) = if owned.is_empty() {
            (BTreeSet::new(), Vec::new())
        } else {
            investigate(RULES, source, &mut facts, &owned)
        };
        self.facts = facts;
        let mut lines: Vec<String> = Vec::new();
        let mut causes: Vec<Cause> = Vec::new();
        for resource in &shown {
            let judgement = resource.judge(self.facts.now);
            let line = format!("{resource} ({}): {}", resource.group, words(&judgement));
            lines.push(render::line(&line, LINE));
            causes.extend(self.causes_of(source, resource));
        }
        let hidden = subject.len().saturating_sub(shown.len());
        if hidden > 0 {
            lines.push(format!("and {hidden} more that are not well; name one, or a namespace"));
        }
        let is_named = |finding: &Finding| finding.certainty == Certainty::Certain && !finding.is_symptom;
        // What is wrong with the pods is the reason of what their owner says of itself.
        let (first, last): (Vec<&Finding>, Vec<&Finding>) =
            findings.iter().partition(|finding| is_named(finding));
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.judgement.certainty));
        let mut seen = BTreeSet::new();
        causes.retain(|cause| seen.insert((cause.rule, cause.object.clone())));
        let mut number = 0;
        for finding in first.iter().take(CAUSES) {
            number += 1;
            render::cause(number, finding, &mut lines);
        }
        for cause in causes.iter().take(CAUSES.saturating_sub(number)) {
            number += 1;
            lines.extend(cause.lines(number));
        }
        for finding in last.iter().take(CAUSES.saturating_sub(number)) {
            number += 1;
            render::cause(number, finding, &mut lines);
        }
        let more = (findings.len() + causes.len()).saturating_sub(number);
        if more > 0 {
            lines.push(format!("also: {more} more"));
        }
        if number == 0 {
            lines.push("no fault found in what it says of itself and in what it owns".to_owned());
        }
        lines.push(self.owned_line(&owned));
        lines.push(
            "not known: what its controller does beyond conditions and owner references; its log may tell"
                .to_owned(),
        );
        lines.join("\n") + &self.gaps()
    }

    /// `owns: 1 Deployment, 1 Pod` with the states of those that are not well.
    fn owned_line(&self, owned: &[Reference]) -> String {
        if owned.is_empty() {
            return "owns no built-in object that was read".to_owned();
        }
        let states = owned.iter().filter_map(|reference| {
            let health = health::health(&self.facts, self.facts.get(reference)?)?;
            Some(format!("{reference} {}, {}", health.state, health.detail))
        });
        let states: Vec<String> = states.take(4).collect();
        let names: Vec<String> = owned.iter().take(4).map(Reference::to_string).collect();
        let more = owned.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = if states.is_empty() { names.join("; ") } else { states.join("; ") };
        render::line(&format!("owns: {text}{more}"), LINE)
    }

    /// The causes that a resource and its family name: the deepest of those that are not well, and what it refers to.
    fn causes_of(&self, source: &mut impl CustomSource, resource: &Resource) -> Vec<Cause> {
        let mut causes = Vec::new();
        if self.state(resource) >= State::Working {
            causes.extend(self.references(source, resource));
        }
        let family = self.family(resource);
        let unwell: Vec<&Resource> =
            family.into_iter().filter(|one| self.state(one) == State::Unwell).collect();
        let uids: BTreeSet<&str> = unwell.iter().map(|one| one.uid()).collect();
        let deepest = unwell.iter().filter(|one| !self.owns_one_of(one, &uids));
        for one in deepest {
            let mut judgement = one.judge(self.facts.now);
            judgement.evidence.extend(self.events_of(one));
            let rule = if one.text("/metadata/deletionTimestamp").is_empty() {
                "custom-condition"
            } else {
                "custom-terminating"
            };
            let next = match rule {
                "custom-terminating" => {
                    format!("see that the controller of group {} runs; it removes its finalizer", one.group)
                }
                _ => format!("mend what it names; else pods_log of the controller of group {}", one.group),
            };
            // A reference that leads nowhere is the reason, and the condition what follows.
            if causes.is_empty() || one.uid() != resource.uid() {
                causes.push(Cause { rule, object: one.to_string(), judgement, next });
            }
        }
        causes
    }

    /// The newest warnings about a resource.
    fn events_of(&self, resource: &Resource) -> Vec<Evidence> {
        let events = self.facts.within(Kind::Event, resource.namespace()).filter(|event| {
            let uid = event.text("/involvedObject/uid");
            !uid.is_empty() && uid == resource.uid() && event.text("/type") == "Warning"
        });
        let mut events: Vec<Event> = events.map(Event::new).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last_seen()));
        let evidence = |event: &Event| Evidence::quote("", event.message(), event.place(self.facts.now));
        events.iter().take(1).map(evidence).collect()
    }

    /// Resources that the spec refers to by kind and name, and that are not there or not well.
    fn references(&self, source: &mut impl CustomSource, resource: &Resource) -> Vec<Cause> {
        let kind =
            self.kinds.iter().find(|kind| (&kind.kind, &kind.group) == (&resource.kind, &resource.group));
        let Some(kind) = kind else { return Vec::new() };
        let namespace = Some(resource.namespace().to_owned()).filter(|place| !place.is_empty());
        let list = CustomList { kind: kind.clone(), namespace, name: Some(resource.name().to_owned()) };
        let Some(Ok(whole)) = source.customs(&[list]).into_iter().next() else { return Vec::new() };
        let Some(spec) = whole.items.first().and_then(|item| item.pointer("/spec")) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        references(spec, 0, &mut found);
        found
            .into_iter()
            .take(REFERENCES)
            .filter_map(|(kind, name)| self.reference(resource, kind, name))
            .collect()
    }

    fn reference(&self, from: &Resource, kind: &str, name: &str) -> Option<Cause> {
        let mut kinds = self.kinds.iter().filter(|one| one.kind == kind);
        // A kind of the same group is meant before one of another.
        let kind = kinds.clone().find(|one| one.group == from.group).or(kinds.next())?;
        let namespace = if kind.is_namespaced { from.namespace() } else { "" };
        let is_it = |one: &&Resource| {
            (one.kind.as_str(), one.group.as_str(), one.namespace(), one.name())
                == (kind.kind.as_str(), kind.group.as_str(), namespace, name)
        };
        let label = format!("{} {name}", kind.kind);
        match self.resources.iter().find(is_it) {
            Some(other) => {
                let judgement = other.judge(self.facts.now);
                let cause = Cause {
                    rule: "custom-reference",
                    object: other.to_string(),
                    next: format!("diagnose_custom with name={name}"),
                    judgement: Judgement {
                        summary: format!("{from} refers to it, and {}", judgement.summary),
                        certainty: Certainty::Likely,
                        ..judgement
                    },
                };
                (cause.judgement.state == State::Unwell).then_some(cause)
            }
            None => {
                let is_listed = [namespace, ""]
                    .iter()
                    .any(|place| self.listed.contains(&(kind.resource(), (*place).to_owned())));
                is_listed.then(|| Cause {
                    rule: "custom-reference",
                    object: from.to_string(),
                    next: format!("create {label}, or correct the name in the spec"),
                    judgement: Judgement {
                        state: State::Unwell,
                        summary: format!("it refers to {label}, which does not exist"),
                        certainty: Certainty::Likely,
                        evidence: from.judge(self.facts.now).evidence,
                    },
                })
            }
        }
    }
}

/// Kinds and names that stand side by side in a spec: `issuerRef: {kind: Issuer, name: le}`.
fn references<'v>(value: &'v Value, depth: usize, found: &mut Vec<(&'v str, &'v str)>) {
    if depth > 8 || found.len() >= REFERENCES {
        return;
    }
    let (kind, name) = (text(value, "/kind"), text(value, "/name"));
    if !kind.is_empty() && !name.is_empty() {
        found.push((kind, name));
    }
    let fields: BTreeMap<&String, &Value> = value.as_object().into_iter().flatten().collect();
    fields.values().for_each(|value| references(value, depth + 1, found));
    list(value, "").iter().for_each(|value| references(value, depth + 1, found));
}

fn words(judgement: &Judgement) -> String {
    let word = match judgement.state {
        State::Well | State::Intended => return judgement.summary.clone(),
        State::Unknown => "not known",
        State::Working => "a change is under way",
        State::Unwell => "not well",
    };
    format!("{word}, {}", judgement.summary)
}

/// A cause that a custom resource names.
struct Cause {
    rule: &'static str,
    object: String,
    judgement: Judgement,
    next: String,
}

impl Cause {
    fn lines(&self, number: usize) -> Vec<String> {
        let Self { rule, object, judgement, next } = self;
        let summary = render::line(&format!("{object}: {}", judgement.summary), LINE);
        let mut lines = vec![format!("cause {number} ({}) [{rule}] {summary}", judgement.certainty)];
        lines.extend(judgement.evidence.iter().take(4).map(render::fact));
        lines.push(format!("  next: {}", render::line(next, LINE)));
        lines
    }
}
