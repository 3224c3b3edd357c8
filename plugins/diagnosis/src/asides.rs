//! Asides of an answer, which are no causes: what is meant not to run, and what is known of objects that may not be read.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Facts, Finding, Kind, Object, Reference,
    event::Event,
    health::{self, State},
    render, subject,
};

/// Objects that are named.
const NAMES: usize = 4;
/// Events that are quoted.
const EVENTS: usize = 3;

/// The workloads of a namespace that are meant not to run, in a line: they are no fault, and may be what the question is
/// about. Empty if there are none beside those that findings name.
pub(crate) fn idle(facts: &Facts, namespace: &str, findings: &[Finding]) -> String {
    let workloads = facts.within_any(namespace).filter(|object| {
        object.kind().is_workload()
            && object.namespace() == namespace
            && object.owner().is_none()
            && object.deleted().is_none()
            && !findings.iter().any(|finding| finding.object == object.reference())
    });
    let idle = |object: &Object| {
        let health = health::health(facts, object).filter(|health| health.state == State::Intended)?;
        // A DaemonSet that no node fits has no pods by its own selector.
        let is_stopped = object.kind() != Kind::DaemonSet;
        is_stopped.then(|| format!("{} {} ({})", object.kind(), object.name(), health.detail))
    };
    let idle: Vec<String> = workloads.filter_map(idle).collect();
    let more = idle.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names: Vec<String> = idle.into_iter().take(NAMES).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("not running, as intended: {}{more}", names.join(", "))
    }
}

/// The objects that may be meant by a name that nothing has: a line that begins with a line break, or nothing.
pub(crate) fn alike(objects: &[Reference]) -> String {
    let objects: Vec<String> =
        objects.iter().map(|object| render::line(&object.to_string(), subject::MAX_LINE)).collect();
    if objects.is_empty() { String::new() } else { format!("\nnames like it: {}", objects.join(", ")) }
}

/// Hints at the object of a name that was not found: events of the namespace that name it, and the kinds that were not
/// looked at. Empty, or lines that each begin with a line break.
pub(crate) fn unseen(facts: &Facts, name: &str, namespace: Option<&str>) -> String {
    let mut text = String::new();
    for (object, event) in namespace.map(|namespace| events_of(facts, name, namespace)).unwrap_or_default() {
        let place = render::line(&event.place(facts.now), subject::MAX_LINE);
        let object = render::line(&object.to_string(), subject::MAX_LINE);
        text.push_str(&format!("\nan event names {object}: `{}` [{place}]", render::quoted(event.message())));
    }
    let is_of = |what: &str, kind: Kind| what.split(' ').next() == Some(kind.plural());
    let mut unread: BTreeMap<&str, BTreeSet<Kind>> = BTreeMap::new();
    for gap in facts.gaps() {
        // A list that failed proves as little as one that is forbidden.
        let kinds = subject::kinds().filter(|kind| is_of(&gap.what, *kind));
        unread.entry(&gap.why).or_default().extend(kinds);
    }
    unread.retain(|_, kinds| !kinds.is_empty());
    let unread: Vec<String> = unread
        .into_iter()
        .map(|(why, kinds)| {
            let kinds: Vec<&str> = kinds.into_iter().map(Kind::plural).collect();
            format!("{} ({})", kinds.join(", "), render::quoted(why))
        })
        .collect();
    if !unread.is_empty() {
        text.push_str(&format!("\nnot looked at, so it may be one of them: {}", unread.join("; ")));
    }
    text
}

/// Events about objects of a name, or whose name begins with it, that were not read: the newest of each reason.
fn events_of<'f>(facts: &'f Facts, name: &str, namespace: &'f str) -> Vec<(Reference, Event<'f>)> {
    let events = facts.within(Kind::Event, namespace).filter_map(|event| {
        let event = Event::new(event);
        let object = event.object()?;
        let rest = object.name.strip_prefix(name)?;
        let is_meant = (rest.is_empty() || rest.starts_with(['-', '.'])) && facts.get(&object).is_none();
        is_meant.then_some((object, event))
    });
    let mut events: Vec<(Reference, Event)> = events.collect();
    events.sort_by_key(|(object, event)| (std::cmp::Reverse(event.last_seen()), object.clone()));
    let mut seen = BTreeSet::new();
    events.retain(|(object, event)| seen.insert((object.kind, event.reason())));
    events.truncate(EVENTS);
    events
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Kind,
        recorded::{Recorded, event, object, owned, running, with},
    };

    #[test]
    fn a_namespace_names_what_is_meant_not_to_run() {
        let objects = [
            with("Deployment", "spare", json!({"replicas": 0}), json!({})),
            with("CronJob", "clean", json!({"schedule": "0 3 * * *", "suspend": true}), json!({})),
            running("web"),
            object("Namespace", "shop"),
        ];
        let answer = Recorded::new(&objects).ask_for("", "shop", "");
        let line = "\nnot running, as intended: CronJob clean (suspended), Deployment spare (scaled to 0)";
        assert!(answer.contains("no fault found") && answer.contains(line), "{answer}");
        let answer = Recorded::new(&objects).ask("web");
        assert!(!answer.contains("as intended"), "{answer}");
    }

    #[test]
    fn a_misspelt_name_is_answered_with_names_like_it() {
        let web = with("Deployment", "checkout-api", json!({"replicas": 1}), json!({}));
        let set = owned(object("ReplicaSet", "checkout-api-5d8"), &web);
        let pod = owned(running("checkout-api-5d8-x2x"), &set);
        let cluster =
            Recorded::new(&[web, set, pod, object("Namespace", "shop"), object("StorageClass", "fast-ssd")]);
        for (name, namespace) in [
            ("chekout-api", "shop"),
            ("chekout", ""),
            ("chekout-api", "default"),
            ("checkout-api-77-old", "shop"),
        ] {
            let answer = cluster.clone().ask_for(name, namespace, "");
            assert!(
                answer.contains("\nnames like it: Deployment shop/checkout-api"),
                "{name} {namespace}: {answer}"
            );
            assert!(!answer.contains("Pod shop"), "{name} {namespace}: {answer}");
        }
        assert_eq!(
            cluster.clone().ask_for("", "shpo", ""),
            "there is no namespace shpo; names like it: shop"
        );
        assert_eq!(cluster.clone().ask_for("", "default", ""), "there is no namespace default");
        let answer = cluster.clone().ask_for("fast-sdd", "", "StorageClass");
        assert_eq!(answer, "there is no StorageClass of that name\nnames like it: StorageClass fast-ssd");
        // An exact name elsewhere comes before names like it.
        let answer = cluster.clone().ask_for("checkout-api", "default", "");
        assert!(answer.contains("It is in shop") && !answer.contains("names like it"), "{answer}");
        assert!(!cluster.ask("orders").contains("names like it"));
    }

    /// An account that may read pods and events only, and a workload whose pods are not created.
    #[test]
    fn a_name_that_is_not_found_is_told_what_was_not_looked_at_and_what_events_say() {
        let set = object("ReplicaSet", "orders-5d8");
        let refused = event(&set, "FailedCreate", "pods \"orders-5d8-x\" is forbidden: exceeded quota: q");
        let cluster = Kind::all().filter(|kind| !matches!(kind, Kind::Pod | Kind::Event));
        let cluster = cluster.fold(Recorded::new(&[set, refused]), Recorded::deny);
        let answer = cluster.clone().ask("orders");
        assert!(answer.starts_with("nothing of that name is in namespace shop"), "{answer}");
        assert!(answer.contains("\nan event names ReplicaSet shop/orders-5d8: `pods \"orders-5d8-x\" is forbidden: exceeded quota: q` [event FailedCreate x1, last 60s ago]"), "{answer}");
        let unread = "\nnot looked at, so it may be one of them: ";
        assert!(answer.contains(unread) && answer.contains("deployments, statefulsets"), "{answer}");
        assert!(!answer.contains("pods,") && !answer.contains("pods ("), "{answer}");
        // What events say of others is not about it.
        let answer = cluster.ask_for("order", "", "");
        assert!(answer.contains(unread) && !answer.contains("an event"), "{answer}");
        let answer = Recorded::new(&[running("web")]).ask("orders");
        assert!(!answer.contains("not looked at"), "{answer}");
        // A busy API server does not answer in time.
        let mut facts = crate::Facts::new(0);
        facts.add_gap("deployments of all namespaces", "no answer in time");
        facts.add_gap("pods", "forbidden");
        let text = super::unseen(&facts, "orders", None);
        assert_eq!(text, format!("{unread}pods (forbidden); deployments (no answer in time)"));
    }
}
