//! Cases of a real node: what `cargo xtask facts record` has read of it becomes cases of the corpus, in `corpus/node`.
//!
//! A case holds only what the diagnosis reads, only the fields that rules see, and nothing that is another at every run:
//! ids, parts of names that are drawn at random, and the time, which is that of all recorded clusters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "the changes are for developers")]

mod scrub;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use scrub::{Names, clean, shifted, without_digests};

use crate::{
    Kind, List, Listed, LogLines, LogRead, Outline, RULES, Reference, Request, Source, Unread,
    corpus::{self, Case, causes},
    diagnose,
    recorded::{NOW, Recorded, RecordedLog},
    time,
};

/// Folder of what was read of a node.
const FACTS: &str = "PORTHOLE_FACTS";
/// If set, cases are compared and not written.
const CHECK: &str = "PORTHOLE_FACTS_CHECK";
/// Bytes of a case: a namespace with the events of dozens of evicted pods, and the kinds of the cluster.
const MAX_CASE: usize = 80 << 10;
/// Bytes of all cases.
const MAX_CORPUS: usize = 3 << 20;
/// Rules without a recorded fault: `tests/testbed/src/faults/coverage.rs` has the reasons of most. The tests' busybox
/// cannot look up names, and of `namespace-terminating` the object that holds it up is named instead.
const UNSHOWN: [&str; 14] = [
    "api-service-down",
    "autoscaler-at-maximum",
    "cronjob-missed",
    "dns",
    "ingress-tls",
    "namespace-terminating",
    "node-cordoned",
    "node-not-ready",
    "node-pressure",
    "rollout-stuck",
    "sandbox-failed",
    "service-unready",
    "statefulset-order",
    "volume-attach",
];

pub(crate) fn folder() -> PathBuf {
    corpus::folder().join("node")
}

/// A cluster that takes down what is read of it.
struct Reads {
    cluster: Recorded,
    objects: BTreeSet<Reference>,
    /// ConfigMaps that were read with their keys.
    whole: BTreeSet<Reference>,
    logs: Vec<LogRead>,
}

impl Source for Reads {
    fn now(&self) -> u64 {
        self.cluster.now()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
        let answers = self.cluster.lists(lists);
        for listed in answers.iter().flatten() {
            self.objects.extend(listed.items.iter().filter_map(reference));
        }
        answers
    }

    fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread> {
        self.cluster.outlines(namespace)
    }

    fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>> {
        self.objects.extend(references.iter().cloned());
        self.whole.extend(references.iter().cloned());
        self.cluster.objects(references)
    }

    fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>> {
        self.logs.extend(reads.iter().cloned());
        self.cluster.logs(reads)
    }
}

fn reference(object: &Value) -> Option<Reference> {
    let metadata = &object["metadata"];
    let kind = Kind::of_object(object["kind"].as_str()?)?;
    Some(Reference::new(kind, metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str()?))
}

/// Recorded facts of a fault.
struct Facts {
    name: String,
    facts: Value,
    cluster: Recorded,
    names: Names,
}

impl Facts {
    fn read(file: &Path) -> Self {
        let mut facts: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for kind in Kind::all().filter(|kind| *kind != Kind::Secret) {
            let mut kinds = facts["kinds"].as_array().unwrap().iter();
            assert!(kinds.any(|read| read == kind.name()), "{kind} was not read: add it to recording.rs");
        }
        let objects = facts["objects"].as_array_mut().map(std::mem::take).unwrap();
        let names = Names::of(&objects);
        let later = time::parse(NOW).unwrap() as i64 - facts["now"].as_i64().unwrap();
        let objects = objects.iter().filter(|object| !is_like_everywhere(object));
        let mut objects: Vec<Value> = objects.map(|object| names.replaced(&shifted(object, later))).collect();
        objects.sort_by_key(|object| {
            (reference(object), object["reason"].to_string(), object["message"].to_string())
        });
        let log = |log: &Value| {
            let log = names.replaced(&shifted(log, later));
            let text = |key: &str| log[key].as_str().unwrap().to_owned();
            RecordedLog {
                pod: Some(text("pod")),
                container: text("container"),
                is_previous: log["previous"] == true,
                text: without_digests(&text("text")),
            }
        };
        let logs = facts["logs"].as_array().unwrap().iter().map(log).collect();
        let name = file.file_stem().unwrap().display().to_string();
        let cluster = Recorded { objects, logs, ..Recorded::default() };
        Self { name, facts, cluster, names }
    }

    fn questions(&self) -> &[Value] {
        self.facts["questions"].as_array().unwrap()
    }

    /// The cases of its questions; and sentences about questions whose answer is not that of the node.
    fn cases(&self) -> (Vec<Case>, Vec<String>) {
        let (mut cases, mut left) = (Vec::new(), Vec::new());
        for question in self.questions() {
            let arguments = &question["arguments"];
            let title = format!("{} {arguments}", self.name);
            let answer = self.names.replaced(&question["answer"]);
            let said = causes(answer.as_str().unwrap());
            let case = self.case(&title, arguments);
            if case.causes != said {
                left.push(format!(
                    "{title}: the node's answer is {said:?}, of these facts {:?}",
                    case.causes
                ));
            } else if case.line().len() > MAX_CASE {
                left.push(format!("{title}: {} bytes", case.line().len()));
            } else if case.causes_by(RULES) != case.causes {
                left.push(format!("{title}: of what was read {:?}", case.causes_by(RULES)));
            } else {
                cases.push(case);
            }
        }
        (cases, left)
    }

    fn case(&self, title: &str, arguments: &Value) -> Case {
        let ask =
            ["name", "namespace", "kind"].map(|key| arguments[key].as_str().unwrap_or_default().to_owned());
        let [name, namespace, kind] = ask.clone().map(Some);
        let mut reads = Reads {
            cluster: self.cluster.clone(),
            objects: BTreeSet::new(),
            whole: BTreeSet::new(),
            logs: Vec::new(),
        };
        let answer = diagnose(&Request { name, namespace, kind }, &mut reads);
        let is_read =
            |object: &&Value| reference(object).is_some_and(|object| reads.objects.contains(&object));
        let objects = self.cluster.objects.iter().filter(is_read);
        let objects = objects.map(|object| seen(object, &reads.whole)).collect();
        let logs = self.cluster.logs.iter().filter(|log| reads.logs.iter().any(|read| log.is_of(read)));
        let mut case = Case {
            title: title.to_owned(),
            ask,
            causes: causes(&answer.unwrap_or_default()),
            beside: Vec::new(),
            cluster: Recorded { objects, logs: logs.cloned().collect(), ..Recorded::default() },
        };
        let beside = self.facts["beside"].as_array().unwrap().iter().filter_map(Value::as_str);
        case.beside = beside.filter(|rule| !case.names(rule)).map(str::to_owned).collect();
        case
    }
}

/// True for an object that every API server has and that is well.
fn is_like_everywhere(object: &Value) -> bool {
    object["kind"] == "APIService" && object["spec"]["service"].is_null()
}

/// The part of an object that rules see.
fn seen(object: &Value, whole: &BTreeSet<Reference>) -> Value {
    let Some(reference) = reference(object) else { return Value::Null };
    let mut fields = reference.kind.fields();
    if whole.contains(&reference) {
        fields.extend(["data", "binaryData"]);
    }
    let mut seen = json!({"kind": reference.kind.name()});
    for field in fields {
        let pointer = format!("/{}", field.replace('.', "/"));
        let Some(value) = object.pointer(&pointer).filter(|value| !value.is_null()) else { continue };
        let (parents, last) = field.rsplit_once('.').unwrap_or(("", field));
        let parents = parents.split('.').filter(|parent| !parent.is_empty());
        let parent = parents.fold(&mut seen, |parent, key| {
            if parent[key].is_null() {
                parent[key] = json!({});
            }
            &mut parent[key]
        });
        parent[last] = value.clone();
    }
    clean(&mut seen);
    seen
}

/// The cases of a file; none if there is no such file.
fn cases_of(file: &Path) -> Vec<Case> {
    fs::read_to_string(file).unwrap_or_default().lines().map(Case::parse).collect()
}

fn write(file: &Path, cases: &[Case]) {
    let lines: Vec<String> = cases.iter().map(Case::line).collect();
    fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// Run by `cargo xtask facts record`.
#[test]
#[ignore = "it needs what a node was asked for; cargo xtask facts record runs it"]
fn what_was_read_of_a_node_becomes_cases() {
    let is_check = std::env::var_os(CHECK).is_some();
    let facts = PathBuf::from(std::env::var_os(FACTS).unwrap());
    let mut files: Vec<PathBuf> = fs::read_dir(&facts).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", facts.display());
    fs::create_dir_all(folder()).unwrap();
    let mut left = Vec::new();
    for file in &files {
        let facts = Facts::read(file);
        let (cases, wrong) = facts.cases();
        left.extend(wrong);
        let file = folder().join(format!("{}.jsonl", facts.name));
        let known: BTreeMap<String, Case> =
            cases_of(&file).into_iter().map(|case| (case.title.clone(), case)).collect();
        for case in &cases {
            let known = known.get(&case.title).map(|known| &known.causes);
            if is_check && known != Some(&case.causes) {
                left.push(format!("{}: recorded {known:?}, now {:?}", case.title, case.causes));
            }
        }
        if !is_check && !cases.is_empty() {
            write(&file, &cases);
            eprintln!("{}: {} of {} questions", facts.name, cases.len(), facts.questions().len());
        }
    }
    assert!(left.is_empty(), "{}", left.join("\n"));
}

/// Gives the recorded cases the causes that the rules name now: after a change of rules that is meant, without a node.
#[test]
#[ignore = "it writes; RULES.md says when"]
fn cases_are_judged_again() {
    for file in fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()) {
        let mut cases = cases_of(&file);
        for case in &mut cases {
            let causes = case.causes_by(RULES);
            if causes != case.causes {
                eprintln!("{}: {:?}, now {causes:?}", case.title, case.causes);
                case.causes = causes;
            }
        }
        write(&file, &cases);
    }
}

#[test]
fn recorded_cases_hold_nothing_of_the_machine_and_stay_small() {
    let mut all = 0;
    for file in fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        all += text.len();
        for secret in ["-----BEGIN", "eyJhbGci", "managedFields", "/root/", "/.cache/"] {
            assert!(!text.contains(secret), "{}: {secret}", file.display());
        }
        assert!(without_digests(&text) == text, "{}: an id", file.display());
        assert!(text.lines().all(|line| line.len() <= MAX_CASE), "{}", file.display());
    }
    assert!((1..MAX_CORPUS).contains(&all), "{all} bytes");
}

#[test]
fn a_node_shows_the_fault_of_every_rule_but_these() {
    let cases = corpus::read(&folder());
    let unshown = RULES.iter().map(|rule| rule.id).filter(|rule| !cases.iter().any(|case| case.names(rule)));
    let (unshown, listed): (BTreeSet<&str>, BTreeSet<&str>) = (unshown.collect(), UNSHOWN.into());
    assert_eq!(unshown, listed, "record a fault of it, or take it out of the list");
}

#[test]
fn a_case_holds_the_fields_that_rules_see() {
    let map = json!({"kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "a", "managedFields": [1]},
        "data": {"ca.crt": "-----BEGIN CERTIFICATE-----", "mode": "fast"}});
    assert!(seen(&map, &BTreeSet::new()).get("data").is_none());
    let whole = reference(&map).into_iter().collect();
    assert_eq!(
        seen(&map, &whole),
        json!({"kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "a"}, "data": {"ca.crt": "scrubbed", "mode": "fast"}})
    );
}
