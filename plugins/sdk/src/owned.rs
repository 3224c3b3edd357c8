//! Objects that a workload owns, down to its pods, and the events about them.

use serde_json::Value;

use crate::{
    event::{self, Event},
    kind,
    kube_read::{self, KindRef, ListQuery},
    list_all_of, parsed, selector,
};

/// The maximum number of objects whose events are read one by one; those of more are found among all of the namespace.
const MAX_SINGLE: usize = 8;
/// The label of every pod of a Job.
const JOB: &str = "job-name";

/// An object that events are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Involved {
    /// `Pod`; empty for any.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty if it is not known.
    pub uid: String,
}

impl Involved {
    /// The object itself.
    pub fn of(object: &Value) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind: text("/kind"), name: text("/metadata/name"), uid: text("/metadata/uid") }
    }

    /// True if an event is about this object, whose kind, name and uid it has. An older object of the same name may have
    /// left some; kubelets write a node's name as its uid.
    pub fn is(&self, (kind, name, uid): (&str, &str, &str)) -> bool {
        let is_same = uid.is_empty() || self.uid.is_empty() || uid == self.uid || uid == self.name;
        (self.kind.is_empty() || kind == self.kind) && name == self.name && is_same
    }
}

/// An object and all that it owns, itself first; and why some of it could not be read.
pub fn with_owned(object: &Value, namespace: &str) -> (Vec<Involved>, Vec<String>) {
    let (mut found, mut unread) = (vec![Involved::of(object)], Vec::new());
    let owner = found.first().map(|owner| owner.kind.clone()).unwrap_or_default();
    let labels = object.pointer("/spec/selector").and_then(selector::text);
    let levels: Vec<(&str, KindRef, Option<String>)> = match owner.as_str() {
        "Deployment" => {
            vec![("ReplicaSet", kind("replicasets.apps"), labels.clone()), ("Pod", kind("pods"), labels)]
        }
        "CronJob" => {
            vec![("Job", kind("jobs.batch"), None), ("Pod", kind("pods"), Some(JOB.to_owned()))]
        }
        "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            vec![("Pod", kind("pods"), labels)]
        }
        _ => return (found, unread),
    };
    let fields = ["metadata.name", "metadata.uid", "metadata.ownerReferences"];
    let query = |(_, kind, labels): &(&str, KindRef, Option<String>)| ListQuery {
        label_selector: labels.clone(),
        ..list_all_of(kind.clone(), Some(namespace.to_owned()), &fields)
    };
    let queries: Vec<ListQuery> = levels.iter().map(query).collect();
    for ((of, ..), page) in levels.iter().zip(kube_read::list_all(&queries)) {
        let read = page.map_err(String::from).and_then(|page| parsed::<Vec<Value>>(&page.items));
        match read {
            Ok(objects) => {
                let owned: Vec<Involved> =
                    objects.iter().filter(|object| is_owned(object, &found)).map(Involved::of).collect();
                // The items of a list have no kind of their own.
                found.extend(owned.into_iter().map(|owned| Involved { kind: (*of).to_owned(), ..owned }));
            }
            Err(error) => unread.push(format!("{of}s: {error}")),
        }
    }
    (found, unread)
}

fn is_owned(object: &Value, owners: &[Involved]) -> bool {
    let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    references.into_iter().flatten().any(|reference| {
        let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
        !uid.is_empty() && owners.iter().any(|owner| owner.uid == uid)
    })
}

/// The events about some objects of a namespace, the newest first.
///
/// # Errors
/// Answer to the read of them.
pub fn events_of(objects: &[Involved], namespace: &str) -> Result<Vec<Event>, String> {
    let fields: Vec<&str> = event::FIELDS.iter().copied().chain(["involvedObject.uid"]).collect();
    let all = list_all_of(events(), Some(namespace.to_owned()), &fields);
    let queries: Vec<ListQuery> = if objects.len() > MAX_SINGLE {
        vec![all]
    } else {
        let of = |object: &Involved| ListQuery {
            field_selector: Some(format!(
                "involvedObject.kind={},involvedObject.name={}",
                object.kind, object.name
            )),
            ..all.clone()
        };
        objects.iter().map(of).collect()
    };
    let mut found = Vec::new();
    for page in kube_read::list_all(&queries) {
        let read: Vec<Event> = parsed(&page?.items)?;
        found.extend(
            read.into_iter().filter(|event| objects.iter().any(|object| object.is(event.involved()))),
        );
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.row().time));
    Ok(found)
}

/// Events of the core group, which hold the fields of both.
pub fn events() -> KindRef {
    KindRef { kind: "events".to_owned(), api_version: Some("v1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_about_an_object_of_its_uid() {
        let web = Involved { kind: "Pod".into(), name: "web-1".into(), uid: "1".into() };
        assert!(web.is(("Pod", "web-1", "1")) && web.is(("Pod", "web-1", "")));
        assert!(!web.is(("Pod", "web-1", "2")), "an older pod of that name");
        assert!(!web.is(("ReplicaSet", "web-1", "1")) && !web.is(("Pod", "web-2", "1")));
        let node = Involved { kind: "Node".into(), name: "node-1".into(), uid: "7".into() };
        assert!(node.is(("Node", "node-1", "node-1")));
        let any = Involved { kind: String::new(), uid: String::new(), ..web };
        assert!(any.is(("Job", "web-1", "9")) && !any.is(("Job", "web", "9")));
    }

    #[test]
    fn what_is_owned_names_the_uid_of_its_owner() {
        let owner = [Involved { kind: "ReplicaSet".into(), name: "web".into(), uid: "1".into() }];
        assert!(is_owned(&json!({"metadata": {"ownerReferences": [{"uid": "0"}, {"uid": "1"}]}}), &owner));
        assert!(!is_owned(&json!({"metadata": {"ownerReferences": [{"uid": ""}]}}), &owner));
        assert!(!is_owned(&json!({"metadata": {"ownerReferences": null}}), &owner));
    }
}
