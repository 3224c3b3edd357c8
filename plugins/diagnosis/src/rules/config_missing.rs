//! A ConfigMap or Secret, or a key of one, that a container needs and that is not there.
//!
//! Evidence: the kubelet's words in the waiting state or in a FailedMount event; without them the pod's references joined
//! with the ConfigMaps that exist. A Secret is known by the kubelet's words alone: nobody reads Secrets here.
//! Not to be taken for: an optional reference, a ConfigMap that was deleted after the start, kinds that may not be listed.
//! Source: kubernetes/pkg/kubelet/kubelet_pods.go (environment), pkg/volume/configmap, secret, projected.

use std::collections::BTreeSet;

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object, Presence, Reference,
    containers::{containers, judged_pods, seconds_on_node},
    creation,
    health::STARTING,
    missing::Missing,
    names,
    needs::{Need, needs},
};

pub(super) const RULE: Rule = Rule { id: "config-missing", find };

/// Keys of an object that an answer lists.
const KEYS: usize = 8;

/// A missing object, and the key of it that is missing; an empty one stands for the whole.
type Identity = (Reference, String);

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).flat_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Vec<Finding> {
    let mut found: BTreeSet<Identity> = BTreeSet::new();
    let mut findings = Vec::new();
    let mut add = |(identity, finding): (Identity, Finding)| {
        if found.insert(identity) {
            findings.push(finding);
        }
    };
    for (place, message) in said(facts, pod) {
        if let Some(missing) = Missing::parse(message) {
            for (identity, finding) in of_words(facts, pod, &missing) {
                add((identity, finding.with(Evidence::quote("", message, place.clone()))));
            }
        }
    }
    // What the kubelet has said once is in no state, and its events are kept for an hour.
    if is_held_up(facts, pod) {
        for need in needs(pod).iter().filter(|need| !need.is_optional) {
            of_need(facts, pod, need).into_iter().for_each(&mut add);
        }
    }
    findings
}

/// The kubelet's words on a pod's containers and volumes, with its place.
fn said<'f>(facts: &'f Facts, pod: &'f Object) -> Vec<(String, &'f str)> {
    let states = containers(pod).filter_map(|container| {
        let (reason, message) = container.waiting()?;
        let place = format!("{reason}, status of {}", pod.reference());
        (reason == "CreateContainerConfigError").then_some((place, message))
    });
    let mut said: Vec<(String, &str)> = states.collect();
    let events = creation::events(facts, pod, &["FailedMount"]);
    said.extend(events.into_iter().map(|event| (event.place(facts.now), event.message())));
    said
}

/// The findings for something that the kubelet misses.
fn of_words(facts: &Facts, pod: &Object, missing: &Missing) -> Vec<(Identity, Finding)> {
    let all = needs(pod);
    match missing {
        Missing::Object(kind, name) => {
            let reference = Reference::new(*kind, pod.namespace(), name);
            if matches!(facts.find(*kind, pod.namespace(), name), Presence::Found(_)) {
                // It was made since.
                return Vec::new();
            }
            let field = all.iter().find(|need| need.object == reference && !need.is_optional);
            let finding = absent(facts, pod, &reference, field);
            vec![((reference, String::new()), finding)]
        }
        Missing::Key(kind, name, key) => {
            let is_it = |need: &&Need| {
                need.object.kind == *kind
                    && need.key.as_deref() == Some(key)
                    && (name.is_empty() || need.object.name == *name)
            };
            let needed: Vec<&Need> = all.iter().filter(is_it).collect();
            // A volume does not say of which of several objects it misses a key.
            let objects: BTreeSet<&Reference> = needed.iter().map(|need| &need.object).collect();
            let is_there = |need: &Need| {
                facts.get(&need.object).and_then(keys).is_some_and(|keys| keys.contains(&key.as_str()))
            };
            match (needed.first(), objects.len()) {
                (Some(need), 1) if !is_there(need) => {
                    vec![((need.object.clone(), key.clone()), without_key(facts, pod, need, key))]
                }
                _ => Vec::new(),
            }
        }
    }
}

/// True if a pod is on a node and none of its containers ever began, for longer than that takes: one that has begun has
/// its volumes.
fn is_held_up(facts: &Facts, pod: &Object) -> bool {
    let lacks_config = containers(pod).any(|container| {
        container.waiting().is_some_and(|(reason, _)| reason == "CreateContainerConfigError")
    });
    (lacks_config || creation::is_waiting(pod)) && seconds_on_node(facts, pod) > STARTING
}

/// A reference of a pod to a ConfigMap that is known not to exist, or not to have the key.
fn of_need(facts: &Facts, pod: &Object, need: &Need) -> Option<(Identity, Finding)> {
    if need.object.kind != Kind::ConfigMap {
        return None;
    }
    let (key, finding) = match facts.find(Kind::ConfigMap, &need.object.namespace, &need.object.name) {
        Presence::Absent => ("", absent(facts, pod, &need.object, Some(need))),
        Presence::Found(object) => {
            let key = need.key.as_deref()?;
            let keys = keys(object)?;
            if keys.contains(&key) {
                return None;
            }
            (key, without_key(facts, pod, need, key))
        }
        Presence::Unknown => return None,
    };
    Some(((need.object.clone(), key.to_owned()), finding))
}

fn absent(facts: &Facts, pod: &Object, reference: &Reference, need: Option<&Need>) -> Finding {
    let field = need.map(|need| format!(", and {} needs it", need.field)).unwrap_or_default();
    let near = near(facts, reference);
    let mut finding = Finding::new(
        RULE.id,
        reference.clone(),
        format!("{} {} does not exist{field}{near}", reference.kind, reference.name),
    );
    finding = affecting(facts, finding, pod);
    let next = match (near.is_empty(), reference.kind) {
        (false, _) => {
            format!("correct the name in the template, or create {} {}", reference.kind, reference.name)
        }
        (true, kind) => format!(
            "create {kind} {} in {}, or mark the reference as optional",
            reference.name, reference.namespace
        ),
    };
    finding.next(next)
}

/// Alternatives: names that are near, the same name of the other kind, or in another namespace.
fn near(facts: &Facts, reference: &Reference) -> String {
    let same = facts.all(Kind::ConfigMap).filter(|map| map.name() == reference.name);
    if reference.kind == Kind::Secret {
        let here = same.filter(|map| map.namespace() == reference.namespace).count();
        return if here > 0 { "; there is a ConfigMap of that name".to_owned() } else { String::new() };
    }
    let names = facts.within(Kind::ConfigMap, &reference.namespace).map(Object::name);
    let near = names::near(&reference.name, names);
    if !near.is_empty() {
        return format!("; there is {}", near.join(", "));
    }
    let elsewhere: Vec<&str> =
        same.map(Object::namespace).filter(|other| *other != reference.namespace).collect();
    if elsewhere.is_empty() {
        String::new()
    } else {
        format!("; it is in namespace {}", elsewhere.join(", "))
    }
}

fn without_key(facts: &Facts, pod: &Object, need: &Need, key: &str) -> Finding {
    let Reference { kind, name, .. } = &need.object;
    let known = facts.get(&need.object).and_then(keys).unwrap_or_default();
    let listed = known.iter().take(KEYS).copied().collect::<Vec<_>>().join(", ");
    let has = match (known.len(), known.len() > KEYS) {
        (0, _) => String::new(),
        (count, true) => format!("; it has {listed} and {} more", count - KEYS),
        (_, false) => format!("; it has {listed}"),
    };
    let finding = Finding::new(
        RULE.id,
        need.object.clone(),
        format!("{kind} {name} has no key {key}, and {} needs it{has}", need.field),
    );
    affecting(facts, finding, pod).next(format!("correct the key in the template, or add it to the {kind}"))
}

fn affecting(facts: &Facts, finding: Finding, pod: &Object) -> Finding {
    let age = crate::time::age(seconds_on_node(facts, pod));
    finding.affects(pod.reference()).affects(facts.root(pod).reference()).with(Evidence::fact(
        format!("the pod has been on its node for {age} without this"),
        format!("status of {}", pod.reference()),
    ))
}

/// The keys of a ConfigMap that was read whole; None for one of a list, which has none.
fn keys(object: &Object) -> Option<Vec<&str>> {
    let maps = ["/data", "/binaryData"].into_iter().filter_map(|at| object.at(at)?.as_object());
    let keys: Vec<&str> = maps.flat_map(|map| map.keys().map(String::as_str)).collect();
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, event, object, pod},
    };

    fn map(name: &str, data: Value) -> Value {
        let mut map = object("ConfigMap", name);
        map["data"] = data;
        map
    }

    fn waiting(spec: Value, reason: &str, message: &str) -> Value {
        let mut spec = spec;
        spec["nodeName"] = "n1".into();
        pod(
            "server-1",
            spec,
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z", "containerStatuses": [{"name": "app",
                "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}]}),
        )
    }

    fn volume() -> Value {
        json!({"containers": [{"name": "app"}], "volumes": [{"name": "settings", "configMap": {"name": "srv-config"}}]})
    }

    fn env(kind: &str) -> Value {
        let source = json!({kind: {"name": "srv-config", "key": "url"}});
        json!({"containers": [{"name": "app", "env": [{"name": "DB_URL", "valueFrom": source}]}]})
    }

    #[test]
    fn a_missing_volume_source_is_named_with_its_near_name_with_or_without_events() {
        let server = waiting(volume(), "ContainerCreating", "");
        let near = map("srv-configuration", json!({"a": "1"}));
        let mount = event(
            &server,
            "FailedMount",
            "MountVolume.SetUp failed for volume \"settings\" : configmap \"srv-config\" not found",
        );
        for objects in [vec![server.clone(), near.clone(), mount], vec![server.clone(), near]] {
            let answer = Recorded::new(&objects).ask("server-1");
            assert!(answer.contains("cause 1 (certain) [config-missing] ConfigMap shop/srv-config: ConfigMap srv-config does not exist, and volume settings needs it; there is srv-configuration (affects 1 Pod)"), "{answer}");
            assert!(!answer.contains("cause 2"), "{answer}");
        }
        let denied = Recorded::new(&[server]).deny(Kind::ConfigMap).ask("server-1");
        assert!(!denied.contains("does not exist"), "{denied}");
    }

    #[test]
    fn a_missing_key_is_named_beside_those_that_are_there() {
        let message = "couldn't find key url in ConfigMap shop/srv-config";
        for message in [message, ""] {
            let server = waiting(env("configMapKeyRef"), "CreateContainerConfigError", message);
            let answer = Recorded::new(&[server, map("srv-config", json!({"host": "1", "port": "2"}))])
                .ask("server-1");
            assert!(answer.contains("ConfigMap srv-config has no key url, and env DB_URL of container app needs it; it has host, port"), "{answer}");
        }
        let mut spec = volume();
        spec["volumes"][0]["configMap"]["items"] = json!([{"key": "nginx.conf", "path": "x"}]);
        let server = waiting(spec, "ContainerCreating", "");
        let answer = Recorded::new(&[server, map("srv-config", json!({"nginx.cnf": "1"}))]).ask("server-1");
        assert!(
            answer.contains("has no key nginx.conf, and volume settings needs it; it has nginx.cnf"),
            "{answer}"
        );
    }

    #[test]
    fn a_secret_is_missing_only_by_the_kubelets_words() {
        let said =
            waiting(env("secretKeyRef"), "CreateContainerConfigError", "secret \"srv-config\" not found");
        let answer = Recorded::new(&[said, map("srv-config", json!({"a": "b"}))]).ask("server-1");
        assert!(answer.contains("[config-missing] Secret shop/srv-config: Secret srv-config does not exist, and env DB_URL of container app needs it; there is a ConfigMap of that name"), "{answer}");
        let silent = Recorded::new(&[waiting(env("secretKeyRef"), "ContainerCreating", "")]).ask("server-1");
        assert!(!silent.contains("config-missing"), "{silent}");
    }

    #[test]
    fn optional_references_and_pods_that_run_are_no_fault() {
        let mut optional = volume();
        optional["volumes"][0]["configMap"]["optional"] = true.into();
        let answer = Recorded::new(&[waiting(optional, "ContainerCreating", "")]).ask("server-1");
        assert!(!answer.contains("config-missing"), "{answer}");
        let mut runs = waiting(volume(), "", "");
        runs["status"]["containerStatuses"][0]["state"] =
            json!({"running": {"startedAt": "2026-11-24T11:00:00Z"}});
        let answer = Recorded::new(&[runs]).ask("server-1");
        assert!(!answer.contains("config-missing"), "{answer}");
    }

    /// The kubelet's words alone: a pod that is young is not joined with what there is.
    fn said(spec: Value, message: &str) -> Value {
        let mut pod = waiting(spec, "CreateContainerConfigError", message);
        pod["status"]["startTime"] = "2026-11-24T11:59:30Z".into();
        pod
    }

    #[test]
    fn a_key_is_missed_of_the_object_that_the_words_and_the_reference_name() {
        let source = |kind: &str, name: &str, key: &str| json!({"name": format!("{name}-{key}"), "valueFrom": {kind: {"name": name, "key": key}}});
        let spec = json!({"containers": [{"name": "app", "env": [
            source("secretKeyRef", "srv-config", "url"),
            source("configMapKeyRef", "srv-config", "host"),
            source("configMapKeyRef", "other", "url"),
            source("configMapKeyRef", "srv-config", "url"),
        ]}]});
        let words = "couldn't find key url in ConfigMap shop/srv-config";
        for (data, expected) in [
            (
                json!({"host": "1"}),
                "ConfigMap shop/srv-config: ConfigMap srv-config has no key url, and env srv-config-url",
            ),
            // It was added since.
            (json!({"url": "1"}), ""),
        ] {
            let cluster = Recorded::new(&[said(spec.clone(), words), map("srv-config", data)]);
            cluster.assert_found(&RULE, expected);
        }
        let words = "couldn't find key url in Secret shop/srv-config";
        let cluster = Recorded::new(&[said(spec, words)]);
        cluster.assert_found(&RULE, "Secret shop/srv-config: Secret srv-config has no key url");
    }

    #[test]
    fn the_field_that_needs_a_missing_object_is_named_and_where_else_it_is() {
        let mut spec = volume();
        spec["volumes"] = json!([{"name": "first", "configMap": {"name": "srv-other"}}, spec["volumes"][0]]);
        let words = "configmap \"srv-config\" not found";
        let mut there = map("srv-config", json!({}));
        there["metadata"]["namespace"] = "staging".into();
        Recorded::new(&[said(spec.clone(), words)])
            .assert_found(&RULE, "ConfigMap srv-config does not exist, and volume settings needs it");
        Recorded::new(&[said(spec, words), there])
            .assert_found(&RULE, "needs it; it is in namespace staging");
    }
}
