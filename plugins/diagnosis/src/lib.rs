//! The cause of a fault, from the state of a cluster: collected, judged by rules, ranked and rendered, without I/O.
//!
//! A component gives a [`Source`]; everything else is a function of what it reads, so that a [`Rule`] is tested natively,
//! on objects as a real cluster has them. `RULES.md` beside this crate says how to add one.

pub mod aftermath;
mod asides;
mod collect;
pub mod containers;
#[cfg(test)]
mod corpus;
pub mod creation;
mod crowd;
mod custom;
pub mod demand;
mod event;
mod exit;
mod facts;
mod finding;
pub mod health;
mod history;
mod kind;
mod log;
mod missing;
pub mod names;
pub mod needs;
#[cfg(test)]
mod node;
pub mod object;
pub mod placement;
mod policy;
pub mod probes;
pub mod quantity;
mod rank;
pub mod rbac;
#[cfg(test)]
mod recorded;
pub mod refusals;
mod relations;
mod render;
mod rights;
mod rules;
#[cfg(test)]
mod scenarios;
mod schedule;
pub mod selectors;
mod source;
mod subject;
mod survey;
pub mod template;
pub mod time;
mod trouble;
pub mod webhooks;

use std::collections::BTreeSet;

pub use custom::{CUSTOM_FIELDS, CustomKind, CustomList, CustomSource, diagnose_custom};
pub use event::Event;
pub use facts::{Facts, Gap, Presence};
pub use finding::{Certainty, Evidence, Finding};
pub use kind::Kind;
pub use log::Log;
pub use object::{Condition, Object, Reference};
pub use relations::{called, has_labels, related, selected, workloads_behind};
pub use render::line;
pub use rules::{RULES, Rule};
pub use source::{List, Listed, LogLines, LogRead, Outline, Source, Unread};

use crowd::Crowd;
use subject::{Name, Places};

/// Bytes of a name of Kubernetes.
const MAX_NAME: usize = 253;

/// A question about a cluster. Texts that are empty count as not given.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// A name, or a part of it.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its kind, in any form.
    pub kind: Option<String>,
}

/// Answers a question with at most three causes and their evidence.
///
/// # Errors
/// A sentence for the model: a kind that is not known, or a name that nothing has.
pub fn diagnose(request: &Request, source: &mut impl Source) -> Result<String, String> {
    diagnose_with(RULES, request, source)
}

/// [`diagnose`] by other rules: those of a tool of your own, or all but one.
///
/// # Errors
/// As [`diagnose`].
pub fn diagnose_with(rules: &[Rule], request: &Request, source: &mut impl Source) -> Result<String, String> {
    // Texts of the question stand in answers, so they are one line too.
    let given = |text: &Option<String>| {
        let text = line(text.as_deref().unwrap_or_default(), MAX_NAME);
        Some(text).filter(|text| !text.is_empty())
    };
    let mut facts = Facts::new(source.now());
    let (name, namespace) = (given(&request.name), given(&request.namespace));
    let place = namespace.clone().filter(|_| name.is_none());
    let subject = match (name, namespace) {
        (None, None) => match of_cluster(rules, source, &mut facts) {
            Ok(subject) => subject,
            Err(healthy) => return Ok(healthy),
        },
        (None, Some(namespace)) => of_namespace(rules, source, &mut facts, &namespace)?,
        (Some(name), namespace) => {
            let name = Name::parse(&name, given(&request.kind).as_deref())?;
            match name.kind {
                Some(Kind::Namespace) => of_namespace(rules, source, &mut facts, &name.name)?,
                Some(kind) if !kind.is_namespaced() && kind != Kind::Node => {
                    of_cluster_scope(source, &mut facts, &name, kind)?
                }
                _ => of_name(rules, source, &mut facts, &name, namespace)?,
            }
        }
    };
    let (related, findings) = investigate(rules, source, &mut facts, &subject);
    let mut answer = render::text(&facts, &subject, &related, &findings);
    // Of a namespace that was asked about, and not of one that only holds the subject.
    let asked = subject.iter().filter(|object| object.kind == Kind::Namespace).map(|object| &object.name);
    let asked: BTreeSet<&String> = asked.chain(place.as_ref()).collect();
    for idle in asked.into_iter().map(|place| asides::idle(&facts, place, &findings)) {
        if !idle.is_empty() {
            answer.push_str(&format!("\n{idle}"));
        }
    }
    Ok(answer)
}

/// The objects that matter for a subject, and the findings about it; reads the logs that may tell more.
fn investigate(
    rules: &[Rule],
    source: &mut impl Source,
    facts: &mut Facts,
    subject: &[Reference],
) -> (BTreeSet<Reference>, Vec<Finding>) {
    let mut related = related(facts, subject.iter().cloned());
    related.extend(subject.iter().map(|object| Reference::new(Kind::Namespace, "", &object.namespace)));
    collect::ended_logs(source, facts, subject, &related);
    collect::denials(source, facts);
    let mut findings = judged(rules, facts, &related);
    if !findings.iter().any(|finding| finding.certainty == Certainty::Certain && !finding.is_symptom) {
        collect::searched_logs(source, facts, subject, &related);
        let named = rules::services_in_logs(facts);
        if named.iter().any(|service| !related.contains(service)) {
            related.extend(relations::related(facts, named));
            collect::ended_logs(source, facts, subject, &related);
        }
        collect::denials(source, facts);
        findings = judged(rules, facts, &related);
    }
    (related, findings)
}

/// The findings of all rules, ranked. A run that a newer one has superseded is no fault, unless the question is about it.
fn judged(rules: &[Rule], facts: &Facts, related: &BTreeSet<Reference>) -> Vec<Finding> {
    rank::ranked(facts, findings(rules, facts, related), related)
}

/// The findings of all rules, without those about runs that newer ones have superseded; objects of `asked` count all the same.
fn findings(rules: &[Rule], facts: &Facts, asked: &BTreeSet<Reference>) -> Vec<Finding> {
    let is_past = |reference: &Reference| {
        !asked.contains(reference)
            && facts.get(reference).is_some_and(|object| history::is_past(facts, object))
    };
    let findings = rules.iter().flat_map(|rule| (rule.find)(facts));
    findings.filter(|finding| !finding.affects.iter().any(is_past)).collect()
}

/// The namespaces of the cluster that have the most trouble; a sentence for the model if none has any.
fn of_cluster(rules: &[Rule], source: &mut impl Source, facts: &mut Facts) -> Result<Vec<Reference>, String> {
    let survey = survey::survey(source, facts);
    if survey.namespaces.is_empty() {
        let gaps = render::gaps(facts);
        let gaps = if gaps.is_empty() { gaps } else { format!("\nnot checked: {gaps}") };
        if survey.looked_at == 0 && !gaps.is_empty() {
            return Err(format!("nothing could be looked at: ask for a namespace that you may read{gaps}"));
        }
        let objects = if survey.looked_at == 1 { "object" } else { "objects" };
        return Err(format!("no trouble in any namespace: {} {objects} looked at{gaps}", survey.looked_at));
    }
    let mut subject = Vec::new();
    for (namespace, _) in survey.namespaces.iter().take(survey::NAMESPACES) {
        collect::namespace(source, facts, namespace, Crowd::share(survey::NAMESPACES));
        subject.extend(unwell(rules, facts, namespace));
    }
    let others = survey.namespaces.iter().skip(survey::NAMESPACES);
    let others: Vec<String> = others.map(|(namespace, count)| format!("{namespace} ({count})")).collect();
    if !others.is_empty() {
        facts.add_gap(
            format!("namespaces that have trouble too: {}", others.join(", ")),
            "ask for one of them",
        );
    }
    Ok(subject)
}

/// A namespace: everything in it that is not well.
fn of_namespace(
    rules: &[Rule],
    source: &mut impl Source,
    facts: &mut Facts,
    namespace: &str,
) -> Result<Vec<Reference>, String> {
    collect::namespace(source, facts, namespace, Crowd::share(1));
    if matches!(facts.find(Kind::Namespace, "", namespace), Presence::Absent) {
        return Err(format!("there is no namespace {namespace}{}", near_namespaces(source, namespace)));
    }
    Ok(unwell(rules, facts, namespace))
}

/// The namespaces that may be meant by a name that none has, for the end of a sentence.
fn near_namespaces(source: &mut impl Source, name: &str) -> String {
    let fields = vec!["metadata.name"];
    let kind = Kind::Namespace;
    let all = List { kind, namespace: None, field_selector: None, fields, is_first_page: false };
    let listed = source.lists(&[all]).into_iter().next().and_then(Result::ok);
    let all: Vec<Object> =
        listed.into_iter().flat_map(|listed| listed.items).map(|value| Object::new(kind, value)).collect();
    let alike = names::alike(name, all.iter().map(|object| (object.name(), object.name())));
    let alike: Vec<String> = alike.into_iter().map(|name| line(name, MAX_NAME)).collect();
    if alike.is_empty() { String::new() } else { format!("; names like it: {}", alike.join(", ")) }
}

/// The objects of a namespace that are not well and that nothing known owns, or else the namespace.
fn unwell(rules: &[Rule], facts: &Facts, namespace: &str) -> Vec<Reference> {
    let is_unwell = |object: &&Object| {
        health::health(facts, object).is_some_and(|health| health.state >= health::State::Degraded)
    };
    // An object counts by itself if its owner is of another kind, or may not be read.
    let top =
        facts.objects().filter(|object| object.namespace() == namespace && facts.owner(object).is_none());
    let mut unwell: BTreeSet<Reference> = top.filter(is_unwell).map(Object::reference).collect();
    // Kinds without a health of their own, such as an Ingress, are judged by the rules.
    let findings = findings(rules, facts, &BTreeSet::new());
    unwell.extend(at_fault(facts, &findings, namespace, Certainty::Certain));
    if unwell.is_empty() {
        unwell.extend(at_fault(facts, &findings, namespace, Certainty::Likely));
    }
    if unwell.is_empty() {
        vec![Reference::new(Kind::Namespace, "", namespace)]
    } else {
        unwell.into_iter().collect()
    }
}

/// Objects of a namespace that a cause of a certainty is about; of a cause outside of it, those that it affects.
fn at_fault(
    facts: &Facts,
    findings: &[Finding],
    namespace: &str,
    certainty: Certainty,
) -> BTreeSet<Reference> {
    let causes = findings.iter().filter(|finding| finding.certainty == certainty && !finding.is_symptom);
    let objects = causes.flat_map(|finding| {
        let own = (finding.object.namespace == namespace).then_some(&finding.object);
        let affected = finding.affects.iter().filter(move |_| own.is_none());
        own.into_iter().chain(affected)
    });
    let is_top = |object: &&Reference| {
        object.namespace == namespace && facts.get(object).is_some_and(|object| object.owner().is_none())
    };
    objects.filter(is_top).cloned().collect()
}

/// Objects of a kind without a namespace, and the namespaces of the Services behind them.
fn of_cluster_scope(
    source: &mut impl Source,
    facts: &mut Facts,
    name: &Name,
    kind: Kind,
) -> Result<Vec<Reference>, String> {
    collect::list(
        source,
        facts,
        &[List { kind, namespace: None, field_selector: None, fields: kind.fields(), is_first_page: false }],
    );
    let found = name.matches(facts.all(kind));
    if found.is_empty() {
        return Err(if facts.is_listed(kind, "") {
            format!("there is no {kind} of that name{}", asides::alike(&name.alike(facts.all(kind))))
        } else {
            format!("{} cannot be listed", kind.plural())
        });
    }
    let place = |reference| facts.get(reference).map(|object| object.text("/spec/service/namespace"));
    let places = found.iter().filter_map(place).filter(|place| !place.is_empty());
    let places: BTreeSet<String> = places.map(str::to_owned).collect();
    for place in places.iter().take(subject::PLACES) {
        collect::namespace(source, facts, place, Crowd::share(subject::PLACES));
    }
    Ok(found)
}

/// The objects of a name: in the namespace that is given, or else wherever they are.
fn of_name(
    rules: &[Rule],
    source: &mut impl Source,
    facts: &mut Facts,
    name: &Name,
    namespace: Option<String>,
) -> Result<Vec<Reference>, String> {
    if let Some(namespace) = &namespace {
        collect::namespace(source, facts, namespace, Crowd::of(&name.name));
        crowd::add_asked(source, facts, namespace, name);
        let found = name.matches(facts.within_any(namespace));
        if !found.is_empty() {
            return Ok(found);
        }
        let any = Name { kind: None, ..name.clone() };
        let found = any.matches(facts.within_any(namespace));
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let Places { namespaces: places, count: all, alike } = subject::places(source, facts, name);
    let elsewhere = places.join(", ");
    let unseen = |facts: &Facts| asides::unseen(facts, &name.name, namespace.as_deref());
    if let Some(namespace) = &namespace {
        return Err(if places.is_empty() {
            let here = name.alike(facts.within_any(namespace));
            let alike = asides::alike(if here.is_empty() { &alike } else { &here });
            format!(
                "nothing of that name is in namespace {namespace}, or in any other that this account may list{alike}{}",
                unseen(facts)
            )
        } else {
            format!(
                "nothing of that name is in namespace {namespace}. It is in {elsewhere}: ask again with that namespace."
            )
        });
    }
    let mut found = Vec::new();
    for place in &places {
        collect::namespace(
            source,
            facts,
            place,
            Crowd { wanted: &name.name, ..Crowd::share(subject::PLACES) },
        );
        crowd::add_asked(source, facts, place, name);
        found.extend(name.matches(facts.within_any(place)));
    }
    if all > places.len() {
        facts.add_gap(format!("{} more namespaces with that name", all - places.len()), "name one of them");
    }
    if found.is_empty() && name.kind.is_none() {
        let namespace = Reference::new(Kind::Namespace, "", &name.name);
        collect::objects(source, facts, std::slice::from_ref(&namespace));
        if facts.get(&namespace).is_some() {
            return of_namespace(rules, source, facts, &name.name);
        }
    }
    if found.is_empty() {
        return Err(format!(
            "nothing of that name is in any namespace that this account may list; pods_list shows all pods{}{}",
            asides::alike(&alike),
            unseen(facts)
        ));
    }
    Ok(found)
}
