//! A namespace of many pods: outlines of all, and a few whole pods that stand for the others of their workload and state.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Facts, Kind, Object, Reference, collect,
    source::{Outline, Source, Unread},
    subject::Name,
};

/// Whole pods that are read.
const REPRESENTATIVES: usize = 40;

/// The pods that stand for those of a namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd<'a> {
    /// A part of names that is asked for; empty for none.
    pub(crate) wanted: &'a str,
    /// Whole pods that may be read.
    pub(crate) max: usize,
}

impl<'a> Crowd<'a> {
    /// For a question about something of a name.
    pub(crate) fn of(wanted: &'a str) -> Self {
        Self { wanted, max: REPRESENTATIVES }
    }

    /// For a question about one of several namespaces, which share the reads.
    pub(crate) fn share(namespaces: usize) -> Self {
        Self { wanted: "", max: REPRESENTATIVES / namespaces.max(1) }
    }
}

/// Adds the pods of a namespace that has more than a page of them: one of each workload and state, those that are not well
/// and those that `wanted` is a part of first. `first` are those of the first page, which stand in if there are no outlines.
pub(crate) fn add(
    source: &mut impl Source,
    facts: &mut Facts,
    namespace: &str,
    Crowd { wanted, max }: Crowd<'_>,
    first: Vec<Value>,
) {
    let outlines = match source.outlines(namespace) {
        Ok(outlines) => outlines,
        Err(error) => {
            first.into_iter().for_each(|pod| facts.add(Object::new(Kind::Pod, pod)));
            let why = if let Unread::Failed(why) = error { why } else { "more than a page".to_owned() };
            return facts.add_gap(format!("some pods of {namespace}"), why);
        }
    };
    let mut groups: BTreeMap<Group, (&str, usize)> = BTreeMap::new();
    for outline in &outlines {
        let (_, count) = groups.entry(Group::of(outline, wanted)).or_insert((&outline.name, 0));
        *count += 1;
    }
    let all = groups.len();
    let chosen: Vec<(Reference, usize)> = groups
        .into_values()
        .take(max)
        .map(|(name, count)| (Reference::new(Kind::Pod, namespace, name), count))
        .collect();
    let references: Vec<Reference> = chosen.iter().map(|(reference, _)| reference.clone()).collect();
    collect::objects(source, facts, &references);
    for (reference, count) in &chosen {
        facts.set_weight(reference.clone(), *count);
    }
    // The labels of all pods are known if one of each workload is: all but those of pods that nothing makes alike.
    let is_alike = |(reference, count): &(Reference, usize)| match facts.get(reference) {
        Some(pod) => *count == 1 || matches!(pod.owner(), Some(("ReplicaSet" | "DaemonSet" | "Job", _))),
        None => false,
    };
    if all <= max && chosen.iter().all(is_alike) {
        facts.add_list(Kind::Pod, namespace);
    }
    facts.add_gap(
        format!("{} of {} pods of {namespace}", outlines.len().saturating_sub(chosen.len()), outlines.len()),
        "one of each workload and state was read",
    );
}

/// Pods of one workload in one state; those that are read first stand first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    is_other: bool,
    is_well: bool,
    workload: String,
    ready: String,
    status: String,
}

impl Group {
    fn of(outline: &Outline, wanted: &str) -> Self {
        let Outline { name, ready, status } = outline;
        let is_ready = ready.split_once('/').is_some_and(|(ready, all)| ready == all);
        // The last part of a pod's name tells it from its siblings; a pod that is asked for stands for itself.
        let is_asked = name == wanted;
        let workload =
            name.rsplit_once('-').filter(|_| !is_asked).map_or(name.as_str(), |(workload, _)| workload);
        Self {
            is_other: !wanted.is_empty() && !name.contains(wanted),
            is_well: matches!(status.as_str(), "Completed" | "Succeeded")
                || (status == "Running" && is_ready),
            workload: workload.to_owned(),
            ready: ready.clone(),
            status: status.clone(),
        }
    }
}

/// Reads a pod that was asked for by its whole name and that no other stands for.
pub(crate) fn add_asked(source: &mut impl Source, facts: &mut Facts, namespace: &str, name: &Name) {
    let is_of_many = facts.weight_of(namespace) > 0;
    let is_pod = name.kind.is_none_or(|kind| kind == Kind::Pod);
    let pod = Reference::new(Kind::Pod, namespace, &name.name);
    if is_of_many && is_pod && facts.get(&pod).is_none() {
        collect::objects(source, facts, &[pod]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        List, Listed, LogLines, LogRead, Outline, Reference, Request, Source, Unread, diagnose,
        recorded::{Recorded, object, owned, pod, running, with},
    };

    /// A cluster that counts what is asked of it.
    struct Counting {
        recorded: Recorded,
        lists: usize,
        objects: usize,
        most_pods: usize,
    }

    impl Source for Counting {
        fn now(&self) -> u64 {
            self.recorded.now()
        }

        fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
            self.lists += lists.len();
            let answers = self.recorded.lists(lists);
            let pods = lists.iter().zip(&answers).filter(|(list, _)| list.kind == crate::Kind::Pod);
            let pods = pods.filter_map(|(_, answer)| Some(answer.as_ref().ok()?.items.len())).max();
            self.most_pods = self.most_pods.max(pods.unwrap_or_default());
            answers
        }

        fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>> {
            self.objects += references.len();
            self.recorded.objects(references)
        }

        fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread> {
            self.recorded.outlines(namespace)
        }

        fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>> {
            self.recorded.logs(reads)
        }
    }

    /// Four namespaces of 2,500 pods in 25 Deployments each; in each namespace one Deployment cannot pull its image.
    fn many() -> Vec<Value> {
        let mut objects = Vec::new();
        let mut add = |namespace: &str, mut object: Value| {
            object["metadata"]["namespace"] = namespace.into();
            objects.push(object);
        };
        for namespace in ["load-1", "load-2", "load-3", "load-4"] {
            for app in 0..25 {
                let is_broken = app == 17;
                let labels = json!({"app": format!("app-{app}")});
                let template =
                    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app"}]}});
                let ready = if is_broken { 0 } else { 100 };
                let status = json!({"replicas": 100, "readyReplicas": ready});
                let deployment = with(
                    "Deployment",
                    &format!("app-{app}"),
                    json!({"replicas": 100, "template": template}),
                    status.clone(),
                );
                let set = owned(
                    with("ReplicaSet", &format!("app-{app}-5d8"), json!({"replicas": 100}), status),
                    &deployment,
                );
                for at in 0..100 {
                    let name = format!("app-{app}-5d8-{at:05}");
                    let state = json!({"waiting": {"reason": "ErrImagePull", "message": "rpc error: manifest unknown"}});
                    let broken = || {
                        pod(
                            &name,
                            json!({"containers": [{"name": "app", "image": "app:9"}]}),
                            json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "state": state}]}),
                        )
                    };
                    let mut pod = owned(if is_broken { broken() } else { running(&name) }, &set);
                    pod["metadata"]["labels"] = labels.clone();
                    add(namespace, pod);
                }
                add(namespace, deployment);
                add(namespace, set);
            }
            let mut service = object("Service", "front");
            service["spec"] = json!({"selector": {"app": "app-3", "tier": "x"}, "ports": [{"port": 80}]});
            add(namespace, service);
        }
        objects.extend(["load-1", "load-2", "load-3", "load-4"].map(|name| object("Namespace", name)));
        objects
    }

    fn ask(recorded: &Recorded, name: &str, namespace: &str) -> (String, Counting) {
        let mut source = Counting { recorded: recorded.clone(), lists: 0, objects: 0, most_pods: 0 };
        let given = |text: &str| Some(text.to_owned());
        let request = Request { name: given(name), namespace: given(namespace), kind: None };
        (diagnose(&request, &mut source).unwrap_or_else(|error| error), source)
    }

    /// Within the default limits: 256 reads, 32 MiB, of which ten thousand whole pods are twice as much.
    #[test]
    fn ten_thousand_pods_are_told_by_forty_of_each_namespace() {
        let recorded = Recorded::new(&many());
        for (name, namespace, places) in [("", "", 4), ("", "load-2", 1), ("app-17", "load-2", 1)] {
            let (answer, Counting { lists, objects, most_pods, .. }) = ask(&recorded, name, namespace);
            assert!(
                answer.contains(&format!(
                    "(certain) [image-pull] Deployment {}/app-17: image app:9 does not exist",
                    if namespace.is_empty() { "load-1" } else { namespace }
                )),
                "{answer}"
            );
            assert!(answer.contains("(affects 100 pods)"), "{answer}");
            assert!(objects <= places * 60, "{objects} objects");
            assert!(
                lists + objects < 256 && most_pods <= 400,
                "{lists} lists, {objects} objects, {most_pods} pods"
            );
            assert!(
                answer.contains("pods of load-")
                    && answer.contains("one of each workload and state was read"),
                "{answer}"
            );
        }
        // All workloads are represented, so that what no pod has is known.
        let (answer, _) = ask(&recorded, "front", "load-3");
        assert!(answer.contains("[service-selector] Service load-3/front"), "{answer}");
    }

    #[test]
    fn a_pod_of_many_is_found_by_its_name() {
        let recorded = Recorded::new(&many());
        for (name, namespace) in
            [("app-3-5d8-00077", "load-2"), ("app-17-5d8-00099", "load-2"), ("app-3-5d8-00077", "")]
        {
            let (answer, _) = ask(&recorded, name, namespace);
            assert!(answer.contains(&format!("/{name}: ")), "{answer}");
        }
    }
}
