//! The cause of a fault, from the state of a cluster: collected, judged by rules, ranked and rendered, without I/O.
//!
//! A component gives a [`Source`]; everything else is a function of what it reads, so that a [`Rule`] is tested natively,
//! on objects as a real cluster has them. `RULES.md` beside this crate says how to add one.

mod collect;
mod event;
mod facts;
mod finding;
pub mod health;
mod history;
mod kind;
mod log;
pub mod names;
pub mod needs;
pub mod object;
mod policy;
mod rank;
#[cfg(test)]
mod recorded;
mod relations;
mod render;
mod rights;
mod rules;
#[cfg(test)]
mod scenarios;
mod schedule;
mod source;
mod subject;
pub mod template;
mod time;

use std::collections::BTreeSet;

pub use event::Event;
pub use facts::{Facts, Gap, Presence};
pub use finding::{Certainty, Evidence, Finding};
pub use kind::Kind;
pub use log::Log;
pub use object::{Condition, Object, Reference};
pub use relations::{called, has_labels, related, selected, workloads_behind};
pub use rules::{RULES, Rule};
pub use source::{List, Listed, LogLines, LogRead, Source, Unread};

use subject::Name;

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
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let mut facts = Facts::new(source.now());
    let subject = match (given(&request.name), given(&request.namespace)) {
        (None, None) => return Err("name or namespace is required".to_owned()),
        (None, Some(namespace)) => of_namespace(source, &mut facts, &namespace)?,
        (Some(name), namespace) => {
            let name = Name::parse(&name, given(&request.kind).as_deref())?;
            match name.kind {
                Some(Kind::Namespace) => of_namespace(source, &mut facts, &name.name)?,
                Some(kind) if !kind.is_namespaced() && kind != Kind::Node => {
                    of_cluster(source, &mut facts, &name, kind)?
                }
                _ => of_name(source, &mut facts, &name, namespace)?,
            }
        }
    };
    let mut related = related(&facts, subject.iter().cloned());
    related.extend(subject.iter().map(|object| Reference::new(Kind::Namespace, "", &object.namespace)));
    collect::ended_logs(source, &mut facts, &subject, &related);
    collect::denials(source, &mut facts);
    let mut findings = judged(&facts, &related);
    if !findings.iter().any(|finding| finding.certainty == Certainty::Certain && !finding.is_symptom) {
        collect::searched_logs(source, &mut facts, &subject, &related);
        collect::denials(source, &mut facts);
        findings = judged(&facts, &related);
    }
    Ok(render::text(&facts, &subject, &related, &findings))
}

/// The findings of all rules, ranked.
fn judged(facts: &Facts, related: &BTreeSet<Reference>) -> Vec<Finding> {
    // A run that a newer one has superseded is no fault, unless the question is about it.
    let is_past = |reference: &Reference| {
        !related.contains(reference)
            && facts.get(reference).is_some_and(|object| history::is_past(facts, object))
    };
    let findings = RULES.iter().flat_map(|rule| (rule.find)(facts));
    rank::ranked(findings.filter(|finding| !finding.affects.iter().any(is_past)).collect(), related)
}

/// A namespace: everything in it that is not well.
fn of_namespace(
    source: &mut impl Source,
    facts: &mut Facts,
    namespace: &str,
) -> Result<Vec<Reference>, String> {
    collect::namespace(source, facts, namespace);
    if matches!(facts.find(Kind::Namespace, "", namespace), Presence::Absent) {
        return Err(format!("there is no namespace {namespace}"));
    }
    let is_unwell = |object: &&Object| {
        health::health(facts, object).is_some_and(|health| health.state >= health::State::Degraded)
    };
    let top = facts.objects().filter(|object| object.namespace() == namespace && object.owner().is_none());
    let mut unwell: BTreeSet<Reference> = top.filter(is_unwell).map(Object::reference).collect();
    // Kinds without a health of their own, such as an Ingress, are judged by the rules.
    unwell.extend(at_fault(facts, namespace, Certainty::Certain));
    if unwell.is_empty() {
        unwell.extend(at_fault(facts, namespace, Certainty::Likely));
    }
    Ok(if unwell.is_empty() {
        vec![Reference::new(Kind::Namespace, "", namespace)]
    } else {
        unwell.into_iter().collect()
    })
}

/// Objects of a namespace that a cause of a certainty is about; of a cause outside of it, those that it affects.
fn at_fault(facts: &Facts, namespace: &str, certainty: Certainty) -> BTreeSet<Reference> {
    let is_past =
        |object: &Reference| facts.get(object).is_some_and(|object| history::is_past(facts, object));
    let findings = RULES.iter().flat_map(|rule| (rule.find)(facts)).filter(|finding| {
        finding.certainty == certainty && !finding.is_symptom && !finding.affects.iter().any(is_past)
    });
    let objects = findings.flat_map(|finding| {
        if finding.object.namespace == namespace { vec![finding.object] } else { finding.affects }
    });
    let is_top = |object: &Reference| {
        object.namespace == namespace && facts.get(object).is_some_and(|object| object.owner().is_none())
    };
    objects.filter(is_top).collect()
}

/// Objects of a kind without a namespace, and the namespaces of the Services behind them.
fn of_cluster(
    source: &mut impl Source,
    facts: &mut Facts,
    name: &Name,
    kind: Kind,
) -> Result<Vec<Reference>, String> {
    collect::list(source, facts, &[List { kind, namespace: None, name: None, fields: kind.fields() }]);
    let found = name.matches(facts.all(kind));
    if found.is_empty() {
        return Err(if facts.is_listed(kind, "") {
            format!("there is no {kind} of that name")
        } else {
            format!("{} cannot be listed", kind.plural())
        });
    }
    let place = |reference| facts.get(reference).map(|object| object.text("/spec/service/namespace"));
    let places = found.iter().filter_map(place).filter(|place| !place.is_empty());
    let places: BTreeSet<String> = places.map(str::to_owned).collect();
    for place in places.iter().take(subject::PLACES) {
        collect::namespace(source, facts, place);
    }
    Ok(found)
}

/// The objects of a name: in the namespace that is given, or else wherever they are.
fn of_name(
    source: &mut impl Source,
    facts: &mut Facts,
    name: &Name,
    namespace: Option<String>,
) -> Result<Vec<Reference>, String> {
    if let Some(namespace) = &namespace {
        collect::namespace(source, facts, namespace);
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
    let (places, all) = subject::places(source, facts, name);
    let elsewhere = places.join(", ");
    if let Some(namespace) = &namespace {
        return Err(if places.is_empty() {
            format!(
                "nothing of that name is in namespace {namespace}, or in any other that this account may list"
            )
        } else {
            format!(
                "nothing of that name is in namespace {namespace}. It is in {elsewhere}: ask again with that namespace."
            )
        });
    }
    let mut found = Vec::new();
    for place in &places {
        collect::namespace(source, facts, place);
        found.extend(name.matches(facts.within_any(place)));
    }
    if all > places.len() {
        facts.add_gap(format!("{} more namespaces with that name", all - places.len()), "name one of them");
    }
    if found.is_empty() && name.kind.is_none() {
        let namespace = Reference::new(Kind::Namespace, "", &name.name);
        collect::objects(source, facts, std::slice::from_ref(&namespace));
        if facts.get(&namespace).is_some() {
            return of_namespace(source, facts, &name.name);
        }
    }
    if found.is_empty() {
        return Err(
            "nothing of that name is in any namespace that this account may list; pods_list shows all pods"
                .to_owned(),
        );
    }
    Ok(found)
}
