//! A cluster of recorded objects, for tests of rules.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    Facts, Kind, List, Listed, LogLines, LogRead, Object, Outline, Reference, Request, Rule, Source, Unread,
    corpus, diagnose, health, time,
};

/// Pods of a page.
const PAGE: usize = 250;
/// The time of recorded clusters.
pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

/// A cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) objects: Vec<Value>,
    pub(crate) denied: BTreeSet<Kind>,
    pub(crate) logs: Vec<RecordedLog>,
    /// Lines after which a search of a whole log is cut off.
    pub(crate) cut: Option<usize>,
}

/// A container's log; lines without a time are a minute old.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecordedLog {
    /// None: of any pod.
    pub(crate) pod: Option<String>,
    pub(crate) container: String,
    /// The instance before the last restart.
    pub(crate) is_previous: bool,
    pub(crate) text: String,
}

impl RecordedLog {
    /// True if a read is of this log.
    pub(crate) fn is_of(&self, read: &LogRead) -> bool {
        self.pod.as_ref().is_none_or(|pod| *pod == read.pod)
            && (&self.container, self.is_previous) == (&read.container, read.is_previous)
    }
}

impl Recorded {
    pub(crate) fn new(objects: &[Value]) -> Self {
        Self { objects: objects.to_vec(), ..Self::default() }
    }

    /// Forbids a kind.
    pub(crate) fn deny(mut self, kind: Kind) -> Self {
        self.denied.insert(kind);
        self
    }

    /// Gives each container of a name a log.
    pub(crate) fn log(mut self, container: &str, is_previous: bool, text: &str) -> Self {
        let (container, text) = (container.to_owned(), text.to_owned());
        self.logs.push(RecordedLog { pod: None, container, is_previous, text });
        self
    }

    /// Cuts off searches of whole logs.
    pub(crate) fn cut(mut self, lines: usize) -> Self {
        self.cut = Some(lines);
        self
    }

    /// The answer for a name in the namespace `shop`.
    pub(crate) fn ask(self, name: &str) -> String {
        self.ask_for(name, "shop", "")
    }

    /// The answer for a name, a namespace and a kind, each of which may be empty.
    pub(crate) fn ask_for(mut self, name: &str, namespace: &str, kind: &str) -> String {
        let given = |text: &str| Some(text.to_owned());
        let request = Request { name: given(name), namespace: given(namespace), kind: given(kind) };
        let answer = diagnose(&request, &mut self);
        if let Ok(answer) = &answer {
            corpus::record(&self, [name, namespace, kind], answer);
        }
        answer.unwrap_or_else(|error| error)
    }

    /// The answer for the whole cluster.
    pub(crate) fn ask_all(self) -> String {
        self.ask_for("", "", "")
    }

    /// The facts if every list is read whole but those of forbidden kinds.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::new(self.now());
        for kind in Kind::all().filter(|kind| !self.denied.contains(kind)) {
            facts.add_list(kind, "");
            self.of(kind).for_each(|value| facts.add(Object::new(kind, value.clone())));
        }
        facts
    }

    /// The findings of a rule by the facts: `Pod shop/web: it is late`.
    pub(crate) fn findings(&self, rule: &Rule) -> Vec<String> {
        let findings = (rule.find)(&self.facts());
        findings.iter().map(|finding| format!("{}: {}", finding.object, finding.summary)).collect()
    }

    /// Checks that the findings of a rule are one that contains `words`, or none if there are no words.
    pub(crate) fn assert_found(&self, rule: &Rule, words: &str) {
        let findings = self.findings(rule);
        let is_one = findings.len() == 1 && findings[0].contains(words);
        assert!(
            if words.is_empty() { findings.is_empty() } else { is_one },
            "{words}: {findings:?}\n{self:?}"
        );
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind.name())
    }

    fn check(&self, kind: Kind) -> Result<(), Unread> {
        if self.denied.contains(&kind) { Err(Unread::Failed("forbidden".to_owned())) } else { Ok(()) }
    }
}

impl Source for Recorded {
    fn now(&self) -> u64 {
        time::parse(NOW).unwrap()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
        let list = |list: &List| {
            self.check(list.kind)?;
            let selector = list.field_selector.clone().unwrap_or_default();
            let fits = |object: &&Value| {
                let namespace = list.namespace.as_ref();
                namespace.is_none_or(|namespace| object["metadata"]["namespace"] == **namespace)
                    && selector.split(',').filter(|term| !term.is_empty()).all(|term| selects(term, object))
            };
            let items: Vec<Value> = self.of(list.kind).filter(fits).cloned().collect();
            let is_cut = list.is_first_page && items.len() > PAGE;
            Ok(if is_cut {
                Listed { items: items.into_iter().take(PAGE).collect(), cut: "only the first".to_owned() }
            } else {
                Listed { items, cut: String::new() }
            })
        };
        lists.iter().map(list).collect()
    }

    fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread> {
        self.check(Kind::Pod)?;
        let pods = self.of(Kind::Pod).filter(|pod| pod["metadata"]["namespace"] == namespace);
        let outline = |pod: &Value| {
            let object = Object::new(Kind::Pod, pod.clone());
            let detail =
                health::health(&Facts::default(), &object).map(|health| health.detail).unwrap_or_default();
            let (status, ready) = detail.split_once(", ").unwrap_or_default();
            let ready = ready.trim_end_matches(" ready").to_owned();
            Outline { name: object.name().to_owned(), ready, status: status.to_owned() }
        };
        Ok(pods.map(outline).collect())
    }

    fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>> {
        let get = |reference: &Reference| {
            self.check(reference.kind)?;
            let mut objects = self.of(reference.kind);
            let found = objects.find(|object| {
                object["metadata"]["name"] == *reference.name
                    && (reference.namespace.is_empty()
                        || object["metadata"]["namespace"] == *reference.namespace)
            });
            found.cloned().ok_or(Unread::NotFound)
        };
        references.iter().map(get).collect()
    }

    fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>> {
        let read = |read: &LogRead| {
            let log = self.logs.iter().find(|log| log.is_of(read));
            let Some(RecordedLog { text, .. }) = log else { return Err(Unread::NotFound) };
            let is_timed =
                |line: &&str| line.split(' ').next().is_some_and(|time| time::parse(time).is_some());
            let (all, tail) = (text.lines().count(), read.tail.map_or(usize::MAX, |tail| tail as usize));
            let cut = self.cut.filter(|cut| read.pattern.is_some() && read.tail.is_none() && *cut < all);
            let lines = text.lines().skip(all.saturating_sub(tail)).take(cut.unwrap_or(all));
            let timed = lines.map(|line| match is_timed(&line) {
                true => format!("{line}\n"),
                false => format!("2026-11-24T11:59:00Z {line}\n"),
            });
            let unread = cut.map(|_| "the answer is full".to_owned()).unwrap_or_default();
            Ok(LogLines { text: timed.collect(), lines_read: cut.unwrap_or(all) as u64, unread })
        };
        reads.iter().map(read).collect()
    }
}

/// True if an object fits a term of a field selector: `status.phase!=Running`.
fn selects(term: &str, object: &Value) -> bool {
    let (path, value) = term.split_once('=').unwrap();
    let (path, is_wanted) = path.strip_suffix('!').map_or((path, true), |path| (path, false));
    let pointer = format!("/{}", path.replace('.', "/"));
    (object.pointer(&pointer).and_then(Value::as_str) == Some(value)) == is_wanted
}

/// An object an hour old; in the namespace `shop`, if its kind has one.
pub(crate) fn object(kind: &str, name: &str) -> Value {
    let mut object = json!({"kind": kind, "metadata": {
        "name": name, "uid": format!("uid-{name}"), "creationTimestamp": "2026-11-24T11:00:00Z"}});
    if Kind::parse(kind).unwrap().is_namespaced() {
        object["metadata"]["namespace"] = "shop".into();
    }
    object
}

/// A pod.
pub(crate) fn pod(name: &str, spec: Value, status: Value) -> Value {
    let mut pod = object("Pod", name);
    pod["spec"] = spec;
    pod["status"] = status;
    pod
}

/// A workload, Service or other object with a spec and a status.
pub(crate) fn with(kind: &str, name: &str, spec: Value, status: Value) -> Value {
    let mut object = object(kind, name);
    object["spec"] = spec;
    object["status"] = status;
    object
}

/// `object`, controlled by `owner`.
pub(crate) fn owned(mut object: Value, owner: &Value) -> Value {
    object["metadata"]["ownerReferences"] = json!([{"kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true}]);
    object
}

/// A pod that runs and is ready.
pub(crate) fn running(name: &str) -> Value {
    let spec = json!({"nodeName": "n1", "containers": [{"name": "app", "image": "app:1"}]});
    let state = json!({"running": {"startedAt": "2026-11-24T11:00:05Z"}});
    pod(
        name,
        spec,
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "state": state}]}),
    )
}

/// `object`, half a minute old.
pub(crate) fn young(mut object: Value) -> Value {
    object["metadata"]["creationTimestamp"] = "2026-11-24T11:59:30Z".into();
    object
}

/// `object`, deleted; its grace period ended half an hour ago.
pub(crate) fn deleted(mut object: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = "2026-11-24T11:30:00Z".into();
    object
}

/// An event of an object, a minute ago.
pub(crate) fn event(of: &Value, reason: &str, message: &str) -> Value {
    let mut event = object("Event", &format!("{reason}-{}", message.len()));
    let metadata = &of["metadata"];
    event["involvedObject"] = json!({"kind": of["kind"], "name": metadata["name"], "uid": metadata["uid"],
        "namespace": metadata["namespace"]});
    event["reason"] = reason.into();
    event["message"] = message.into();
    event["type"] = "Warning".into();
    event["lastTimestamp"] = "2026-11-24T11:59:00Z".into();
    event
}
