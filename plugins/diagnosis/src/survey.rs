//! The whole cluster at a glance: the namespaces that have trouble, by the status of what should run in them.

use std::collections::BTreeMap;

use crate::{
    Facts, Kind, Object, health,
    source::{List, Source, Unread},
};

/// Namespaces that are then read whole.
pub(crate) const NAMESPACES: usize = 4;

/// The fields of each kind that tell whether it is well. Pods are asked for by their phase only: the status of what owns
/// them tells of those that run and are not ready, and all pods of a large cluster are too much to read.
const LISTS: [(Kind, &[&str], Option<&str>); 8] = [
    (Kind::Pod, &["status.phase", "status.reason"], Some("status.phase!=Running,status.phase!=Succeeded")),
    (Kind::Deployment, &["spec.replicas", "status.readyReplicas"], None),
    (Kind::StatefulSet, &["spec.replicas", "status.readyReplicas"], None),
    (Kind::DaemonSet, &["status.numberReady", "status.desiredNumberScheduled"], None),
    (Kind::Job, &["spec.suspend", "status.conditions", "status.failed", "status.active"], None),
    (Kind::PersistentVolumeClaim, &["status.phase"], None),
    (Kind::Namespace, &["status.phase"], None),
    (Kind::Node, &["status.conditions"], None),
];
/// Fields of the metadata of each.
const METADATA: [&str; 5] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.ownerReferences",
];

/// Trouble in a cluster.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The namespaces with trouble, those with the most first, with the number of objects that are not well.
    pub(crate) namespaces: Vec<(String, usize)>,
    /// Objects that were looked at.
    pub(crate) looked_at: usize,
}

/// Looks at all namespaces.
pub(crate) fn survey(source: &mut impl Source, facts: &mut Facts) -> Survey {
    let list = |(kind, fields, selector): &(Kind, &'static [&'static str], Option<&str>)| List {
        kind: *kind,
        namespace: None,
        field_selector: selector.map(str::to_owned),
        fields: METADATA.iter().chain(*fields).copied().collect(),
        is_first_page: false,
    };
    let lists: Vec<List> = LISTS.iter().map(list).collect();
    // These objects are outlines, not facts: rules would take fields that were not read for empty ones.
    let mut outlines = Facts::new(facts.now);
    for (list, answer) in lists.iter().zip(source.lists(&lists)) {
        match answer {
            Ok(listed) => {
                let objects = listed.items.into_iter().map(|value| Object::new(list.kind, value));
                objects.for_each(|object| outlines.add(object));
                if !listed.cut.is_empty() {
                    facts.add_gap(format!("some {} of all namespaces", list.kind.plural()), listed.cut);
                }
            }
            Err(Unread::Failed(why)) => {
                facts.add_gap(format!("{} of all namespaces", list.kind.plural()), why)
            }
            Err(Unread::NotFound | Unread::Unsupported) => {}
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in outlines.objects() {
        if health::health(&outlines, object).is_some_and(|health| health.state >= health::State::Degraded) {
            let namespace = if object.kind() == Kind::Namespace { object.name() } else { object.namespace() };
            *counts.entry(namespace).or_default() += 1;
        }
    }
    let mut namespaces: Vec<(String, usize)> = counts
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    namespaces.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Survey { namespaces, looked_at: outlines.objects().count() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, object, pod, running},
    };

    fn unwell() -> Vec<Value> {
        let image = json!({"containers": [{"name": "app", "image": "app:9"}]});
        let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "rpc error: manifest unknown"}}}]});
        vec![pod("broken", image, waiting), running("fine"), object("Namespace", "shop")]
    }

    #[test]
    fn trouble_is_found_wherever_it_is() {
        let answer = Recorded::new(&unwell()).ask_all();
        assert!(answer.contains("cause 1 (certain) [image-pull] Pod shop/broken"), "{answer}");
        let mut well = unwell();
        well.remove(0);
        let answer = Recorded::new(&well).ask_all();
        assert!(answer.starts_with("no trouble in any namespace"), "{answer}");
    }

    fn in_namespace(namespace: &str, count: usize) -> Vec<Value> {
        let waiting = |at: usize| {
            let mut pod = unwell().remove(0);
            pod["metadata"]["name"] = format!("broken-{at}").into();
            pod["metadata"]["namespace"] = namespace.into();
            pod
        };
        let mut place = object("Namespace", namespace);
        place["status"] = json!({"phase": "Active"});
        (0..count).map(waiting).chain([place]).collect()
    }

    #[test]
    fn the_namespaces_with_the_most_trouble_are_read_and_the_others_named() {
        let counts = [("a", 1), ("b", 3), ("c", 2), ("d", 2), ("e", 2), ("f", 1)];
        let objects: Vec<Value> =
            counts.iter().flat_map(|(name, count)| in_namespace(name, *count)).collect();
        let answer = Recorded::new(&objects).ask_all();
        assert!(answer.contains("namespaces that have trouble too: a (1), f (1)"), "{answer}");
        assert!(answer.contains("Pod b/broken-0"), "{answer}");
        assert!(!answer.contains("Pod a/broken-0"), "{answer}");
        let answer = Recorded::new(&objects[..4]).ask_all();
        assert!(!answer.contains("trouble too"), "{answer}");
    }

    #[test]
    fn what_could_not_be_looked_at_is_said_and_what_was_is_counted() {
        let mut well = unwell();
        well.remove(0);
        let answer = Recorded::new(&well).ask_all();
        // The survey asks for no pod that runs.
        assert_eq!(answer, "no trouble in any namespace: 1 object looked at");
        let answer = Recorded::new(&well).deny(Kind::Job).ask_all();
        assert!(
            answer.starts_with(
                "no trouble in any namespace: 1 object looked at\nnot checked: jobs of all namespaces"
            ),
            "{answer}"
        );
        let all = Kind::all().fold(Recorded::new(&well), Recorded::deny);
        let answer = all.ask_all();
        assert!(
            answer.starts_with(
                "nothing could be looked at: ask for a namespace that you may read\nnot checked: "
            ),
            "{answer}"
        );
    }
}
