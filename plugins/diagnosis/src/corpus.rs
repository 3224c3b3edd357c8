//! The corpus: recorded clusters with each fault and beside it, one case a line in `corpus/*.jsonl`. It holds every rule:
//! without the rule a case has other causes. The cases in `corpus/node` are of a real node (`node.rs`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    Kind, RULES, Request, Rule, diagnose_with, node,
    recorded::{Recorded, RecordedLog},
};

/// Version of the form of a case. Since 2 a log may name its pod.
const SCHEMA: u64 = 2;
/// If set, questions of the rules' tests are added to the corpus.
const RECORD: &str = "PORTHOLE_CORPUS";
/// Bytes of a case: a larger one shows no more.
const MAX_CASE: usize = 16 << 10;

/// A question, its cluster, and the causes that the answer names.
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) ask: [String; 3],
    /// Verbatim: `(certain) [image-pull] Pod shop/web`.
    pub(crate) causes: Vec<String>,
    /// Rules of whose faults it has only the look.
    pub(crate) beside: Vec<String>,
    pub(crate) cluster: Recorded,
}

impl Case {
    pub(crate) fn parse(line: &str) -> Self {
        let case: Value = serde_json::from_str(line).unwrap();
        assert!((1..=SCHEMA).contains(&case["schema"].as_u64().unwrap()), "{line}");
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let log = |log: &Value| {
            let text = |key: &str| log[key].as_str().unwrap().to_owned();
            RecordedLog {
                pod: log["pod"].as_str().map(str::to_owned),
                container: text("container"),
                is_previous: log["previous"].as_bool().unwrap(),
                text: text("text"),
            }
        };
        Self {
            title: case["title"].as_str().unwrap().to_owned(),
            ask: ["name", "namespace", "kind"].map(|key| case["ask"][key].as_str().unwrap().to_owned()),
            causes: texts(&case["causes"]),
            beside: texts(&case["beside"]),
            cluster: Recorded {
                objects: case["objects"].as_array().unwrap().clone(),
                denied: texts(&case["denied"]).iter().map(|kind| Kind::of_object(kind).unwrap()).collect(),
                logs: case["logs"].as_array().unwrap().iter().map(log).collect(),
                cut: case["cut"].as_u64().map(|lines| lines as usize),
            },
        }
    }

    pub(crate) fn line(&self) -> String {
        let [name, namespace, kind] = &self.ask;
        let Recorded { objects, denied, logs, cut } = &self.cluster;
        let log = |RecordedLog { pod, container, is_previous, text }: &RecordedLog| {
            let mut log = json!({"container": container, "previous": is_previous, "text": text});
            if let Some(pod) = pod {
                log["pod"] = pod.as_str().into();
            }
            log
        };
        json!({
            "schema": SCHEMA,
            "title": self.title,
            "ask": {"name": name, "namespace": namespace, "kind": kind},
            "causes": self.causes,
            "beside": self.beside,
            "denied": denied.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
            "logs": logs.iter().map(log).collect::<Vec<_>>(),
            "cut": cut,
            "objects": objects,
        })
        .to_string()
    }

    /// The causes that some rules name.
    pub(crate) fn causes_by(&self, rules: &[Rule]) -> Vec<String> {
        let [name, namespace, kind] = self.ask.clone().map(Some);
        let answer = diagnose_with(rules, &Request { name, namespace, kind }, &mut self.cluster.clone());
        causes(&answer.unwrap_or_default())
    }

    pub(crate) fn names(&self, rule: &str) -> bool {
        self.causes.iter().any(|cause| cause.contains(&format!("[{rule}]")))
    }
}

/// The causes of an answer: certainty, rule and object.
pub(crate) fn causes(answer: &str) -> Vec<String> {
    let causes = answer.lines().filter_map(|line| line.strip_prefix("cause ")?.split_once(' '));
    causes.filter_map(|(_, cause)| Some(cause.split_once(": ")?.0.to_owned())).collect()
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The cases of the files of a folder.
pub(crate) fn read(folder: &Path) -> Vec<Case> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.flat_map(|text| text.lines().map(Case::parse).collect::<Vec<_>>()).collect()
}

fn corpus() -> Vec<Case> {
    [folder(), node::folder()].iter().flat_map(|folder| read(folder)).collect()
}

#[test]
fn every_case_has_its_causes() {
    for case in corpus() {
        assert_eq!(case.causes_by(RULES), case.causes, "{}", case.title);
        for rule in &case.beside {
            assert!(RULES.iter().any(|other| other.id == rule), "{}: there is no rule {rule}", case.title);
            assert!(!case.names(rule), "{}: {rule}", case.title);
        }
    }
}

#[test]
fn without_any_of_the_rules_a_case_fails() {
    let corpus = corpus();
    let mut loose = Vec::new();
    for rule in RULES {
        let others: Vec<Rule> = RULES.iter().filter(|other| other.id != rule.id).copied().collect();
        let fails = |case: &&Case| case.names(rule.id) && case.causes_by(&others) != case.causes;
        if !corpus.iter().any(|case| fails(&case)) {
            loose.push(format!("no case fails without {}", rule.id));
        }
        if !corpus.iter().any(|case| case.beside.iter().any(|beside| beside == rule.id)) {
            loose.push(format!("no case stands beside {}", rule.id));
        }
    }
    assert!(loose.is_empty(), "{}; RULES.md says how a case is recorded", loose.join("; "));
}

/// Adds the question of a rule's test to the rule's file, if that is asked for: of each test the first cluster that has the
/// fault, and the first that only looks like it.
pub(crate) fn record(cluster: &Recorded, ask: [&str; 3], answer: &str) {
    static FILES: Mutex<()> = Mutex::new(());
    let thread = std::thread::current();
    let test = thread.name().and_then(|name| name.strip_prefix("rules::")?.split_once("::tests::"));
    let (true, Some((module, title))) = (std::env::var_os(RECORD).is_some(), test) else { return };
    let own: &[&str] = match module {
        "account_missing" => &["service-account-missing", "priority-class-missing"],
        "claim_lost" => &["claim-lost", "claim-missing"],
        "claim_waits" => &["claim-waits-for-consumer"],
        _ => &[&module.replace('_', "-")],
    };
    let mut case = Case {
        title: title.replace('_', " "),
        ask: ask.map(str::to_owned),
        causes: causes(answer),
        beside: Vec::new(),
        cluster: cluster.clone(),
    };
    case.beside = own.iter().filter(|rule| !case.names(rule)).map(|rule| (*rule).to_owned()).collect();
    let line = case.line();
    if line.len() > MAX_CASE {
        return;
    }
    let _guard = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let file = folder().join(format!("{}.jsonl", module.replace('_', "-")));
    let text = fs::read_to_string(&file).unwrap_or_default();
    let is_known = |other: Case| (other.title, other.beside) == (case.title.clone(), case.beside.clone());
    if !text.lines().any(|line| is_known(Case::parse(line))) {
        let mut lines: Vec<&str> = text.lines().chain([line.as_str()]).collect();
        lines.sort_by_key(|line| Case::parse(line).title);
        fs::write(file, lines.join("\n") + "\n").unwrap();
    }
}
