//! The cause of a fault, from the state of a cluster: collected, judged by rules, ranked and rendered, without I/O.
//!
//! A component gives a [`Source`]; everything else is a function of what it reads, so that a [`Rule`] is tested natively,
//! on objects as a real cluster has them. `RULES.md` beside this crate says how to add one.

pub mod aftermath;
mod collect;
pub mod demand;
mod event;
mod facts;
mod finding;
pub mod health;
mod kind;
mod log;
pub mod needs;
pub mod object;
pub mod placement;
pub mod quantity;
mod rank;
#[cfg(test)]
mod recorded;
pub mod refusals;
mod relations;
mod render;
mod rules;
pub mod selectors;
mod source;
mod subject;
mod time;
pub mod webhooks;

use std::collections::BTreeSet;

pub use event::Event;
pub use facts::{Facts, Gap, Presence};
pub use finding::{Certainty, Evidence, Finding};
pub use kind::Kind;
pub use log::Log;
pub use object::{Condition, Object, Reference};
pub use relations::{has_labels, related, selected};
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
            of_name(source, &mut facts, &name, namespace)?
        }
    };
    let mut related = related(&facts, subject.iter().cloned());
    related.extend(subject.iter().map(|object| Reference::new(Kind::Namespace, "", &object.namespace)));
    collect::ended_logs(source, &mut facts, &related);
    let mut findings = judged(&facts, &related);
    if !findings.iter().any(|finding| finding.certainty == Certainty::Certain && !finding.is_symptom) {
        collect::searched_logs(source, &mut facts, &related);
        findings = judged(&facts, &related);
    }
    Ok(render::text(&facts, &subject, &related, &findings))
}

/// The findings of all rules, ranked.
fn judged(facts: &Facts, related: &BTreeSet<Reference>) -> Vec<Finding> {
    rank::ranked(RULES.iter().flat_map(|rule| (rule.find)(facts)).collect(), related)
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
    let unwell: Vec<Reference> = top.filter(is_unwell).map(Object::reference).collect();
    Ok(if unwell.is_empty() { vec![Reference::new(Kind::Namespace, "", namespace)] } else { unwell })
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
    if found.is_empty() {
        return Err(
            "nothing of that name is in any namespace that this account may list; pods_list shows all pods"
                .to_owned(),
        );
    }
    Ok(found)
}
