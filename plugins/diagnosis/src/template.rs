//! The difference between two pod templates, in a few words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    Facts, Kind, Object,
    needs::containers,
    object::{list, text},
};

/// Differences that are named.
const CHANGES: usize = 6;
/// Fields of a pod spec of which only the name is shown if they differ.
const FIELDS: [&str; 10] = [
    "serviceAccountName",
    "nodeSelector",
    "affinity",
    "tolerations",
    "volumes",
    "securityContext",
    "imagePullSecrets",
    "hostNetwork",
    "dnsPolicy",
    "priorityClassName",
];
/// Fields of a container of which only the name is shown if they differ: they may hold passwords.
const CLOSED: [&str; 6] = ["command", "args", "envFrom", "volumeMounts", "securityContext", "lifecycle"];
/// Fields of a container whose values are shown.
const OPEN: [&str; 5] = ["ports", "resources", "livenessProbe", "readinessProbe", "startupProbe"];

/// The ReplicaSets of a Deployment, the newest revision first.
pub fn revisions<'f>(facts: &'f Facts, deployment: &'f Object) -> Vec<&'f Object> {
    let mut sets: Vec<&Object> =
        facts.owned_by(deployment).filter(|object| object.kind() == Kind::ReplicaSet).collect();
    let revision = |set: &Object| revision(set).unwrap_or(0);
    sets.sort_by_key(|set| std::cmp::Reverse((revision(set), set.created(), set.name().to_owned())));
    sets
}

/// The revision of a ReplicaSet.
pub fn revision(set: &Object) -> Option<u64> {
    let annotations = set.map("/metadata/annotations");
    let (_, text) = annotations.into_iter().find(|(key, _)| *key == "deployment.kubernetes.io/revision")?;
    text.parse().ok()
}

/// The differences of two pod specs, `old -> new`; names only of what may hold a secret.
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    let (before, after) = (by_name(old), by_name(new));
    for (name, container) in &after {
        match before.get(name) {
            None => changes.push(format!("container {name} is new")),
            Some(other) => of_container(name, other, container, &mut changes),
        }
    }
    changes.extend(
        before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .map(|name| format!("container {name} is gone")),
    );
    let differs = |field: &&&str| old.get(**field) != new.get(**field);
    changes.extend(FIELDS.iter().filter(differs).map(|field| format!("{field} differs")));
    if changes.len() > CHANGES {
        let more = changes.len() - CHANGES;
        changes.truncate(CHANGES);
        changes.push(format!("and {more} more"));
    }
    changes
}

fn by_name(spec: &Value) -> BTreeMap<&str, &Value> {
    containers(spec).map(|container| (text(container, "/name"), container)).collect()
}

fn of_container(name: &str, old: &Value, new: &Value, changes: &mut Vec<String>) {
    let (before, after) = (text(old, "/image"), text(new, "/image"));
    if before != after {
        changes.push(format!("image of {name}: {before} -> {after}"));
    }
    let env = |container: &Value| -> BTreeMap<String, Value> {
        list(container, "/env").iter().map(|env| (text(env, "/name").to_owned(), env.clone())).collect()
    };
    let (before, after) = (env(old), env(new));
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let word = match (before.get(key), after.get(key)) {
            (None, Some(_)) => "is new",
            (Some(_), None) => "is gone",
            (old, new) if old != new => "differs",
            _ => continue,
        };
        changes.push(format!("env {key} of {name} {word}"));
    }
    for field in OPEN {
        leaves(field, old.get(field), new.get(field), changes);
    }
    let differs = |field: &&&str| old.get(**field) != new.get(**field);
    changes.extend(CLOSED.iter().filter(differs).map(|field| format!("{field} of {name} differs")));
}

/// The leaves that differ: `resources.limits.memory 512Mi -> 64Mi`.
fn leaves(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old.and_then(Value::as_object), new.and_then(Value::as_object)) {
        (Some(before), Some(after)) => {
            for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                leaves(&format!("{path}.{key}"), before.get(key), after.get(key), changes);
            }
        }
        _ => changes.push(format!("{path} {} -> {}", shown(old), shown(new))),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::changes;

    #[test]
    fn what_may_hold_a_secret_is_named_and_not_shown() {
        let old = json!({"containers": [{"name": "app", "image": "app:1", "args": ["--key=a"],
            "env": [{"name": "A", "value": "hunter2"}, {"name": "B", "value": "1"}],
            "resources": {"limits": {"memory": "512Mi", "cpu": "1"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}}}]});
        let new = json!({"containers": [{"name": "app", "image": "app:2", "args": ["--key=b"],
            "env": [{"name": "A", "value": "hunter3"}, {"name": "C", "value": "1"}],
            "resources": {"limits": {"memory": "64Mi", "cpu": "1"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}}}]});
        let text = changes(&old, &new).join("; ");
        assert_eq!(
            text,
            "image of app: app:1 -> app:2; env A of app differs; env B of app is gone; env C of app is new; resources.limits.memory 512Mi -> 64Mi; args of app differs"
        );
        assert!(changes(&new, &new).is_empty());
    }
}
