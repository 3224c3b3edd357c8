//! The causes that custom resources name: the deepest of a family that is not well, and references that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    CustomList, CustomSource, LINE,
    cluster::Cluster,
    resource::{Judgement, Resource, State},
};
use crate::{
    Certainty, Evidence, Kind,
    event::Event,
    object::{list, text},
    render,
};

/// Resources that a spec refers to.
const REFERENCES: usize = 8;

/// A cause that a custom resource names.
pub(super) struct Cause {
    pub(super) rule: &'static str,
    pub(super) object: String,
    pub(super) judgement: Judgement,
    next: String,
}

impl Cause {
    pub(super) fn lines(&self, number: usize) -> Vec<String> {
        let Self { rule, object, judgement, next } = self;
        let summary = render::line(&format!("{object}: {}", judgement.summary), LINE);
        let mut lines = vec![format!("cause {number} ({}) [{rule}] {summary}", judgement.certainty)];
        lines.extend(judgement.evidence.iter().take(4).map(render::fact));
        lines.push(format!("  next: {}", render::line(next, LINE)));
        lines
    }
}

impl Cluster {
    /// The causes that a resource and its family name: the deepest of those that are not well, and what it refers to.
    pub(super) fn causes_of(&self, source: &mut impl CustomSource, resource: &Resource) -> Vec<Cause> {
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
