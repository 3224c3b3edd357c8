//! Faults for a real node (tests/faults): what is applied, and the questions about it.

#[cfg(test)]
mod coverage;
pub mod recording;

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{node::Node, verdict::Expectation};

/// Maximum time until new namespaces have their accounts.
const ACCOUNTS: Duration = Duration::from_secs(60);
/// Kinds that are in no namespace.
const CLUSTER_WIDE: [&str; 6] = [
    "IngressClass",
    "PersistentVolume",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// A fault, or a healthy object that looks like one; it has a namespace of its own, of this name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Name of its file, and of its namespace.
    #[serde(skip)]
    pub name: String,
    /// Rules that a right answer may name, and one of which it must; empty if nothing is wrong.
    pub causes: Vec<String>,
    /// Rules that say less and are right too, where something could not be read.
    #[serde(default)]
    weaker: Vec<String>,
    /// Rules of whose faults it has only the look.
    #[serde(default)]
    beside: Vec<String>,
    /// Needs of the node: `addons`.
    pub needs: Option<String>,
    /// Labels of its namespace.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    pub questions: Vec<Question>,
    /// Expressions by kind, each found in the lines of `kubectl get` once it shows.
    steady: BTreeMap<String, String>,
    /// Arguments of kubectl, after the manifests.
    #[serde(default)]
    then: Vec<String>,
    manifests: Vec<Value>,
}

/// A question about a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Arguments of `diagnose`.
    pub arguments: Value,
    /// Instead of the fault's.
    causes: Option<Vec<String>>,
    #[serde(default)]
    expected: Vec<String>,
    #[serde(default)]
    forbidden: Vec<String>,
}

impl Fault {
    /// Faults of a folder, by name; a malformed one is an error.
    pub fn read(folder: &Path) -> Result<Vec<Self>> {
        let mut faults = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let mut fault: Self =
                serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
            fault.name = path.file_stem().unwrap_or_default().display().to_string();
            ensure!(!fault.questions.is_empty(), "{} asks nothing", fault.name);
            for question in &fault.questions {
                fault.expectation(question).with_context(|| fault.name.clone())?;
            }
            for expression in fault.steady.values() {
                Regex::new(expression).with_context(|| fault.name.clone())?;
            }
            faults.push(fault);
        }
        faults.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(faults)
    }

    /// Expectation of the answer to one of its questions.
    pub fn expectation(&self, question: &Question) -> Result<Expectation> {
        let causes = question.causes.as_ref().unwrap_or(&self.causes);
        Expectation::new(Some(causes), &question.expected, &question.forbidden)
    }

    /// As [`expectation`](Self::expectation), where something could not be read.
    pub fn weaker_expectation(&self, question: &Question) -> Result<Expectation> {
        let causes = question.causes.as_ref().unwrap_or(&self.causes);
        let causes: Vec<String> = causes.iter().chain(&self.weaker).cloned().collect();
        Expectation::new(Some(&causes), &question.expected, &question.forbidden)
    }

    /// True if an expression is found in its rows of a table of all namespaces.
    fn shows(&self, kind: &str, expression: &str, table: &str) -> bool {
        let rows = table.lines().filter_map(|line| match kind {
            "namespaces" => Some(line),
            _ => line.strip_prefix(&self.name)?.strip_prefix(' ').map(str::trim_start),
        });
        let rows = rows.collect::<Vec<_>>().join("\n");
        let regex = RegexBuilder::new(expression).multi_line(true).build();
        regex.is_ok_and(|regex| regex.is_match(&rows))
    }
}

/// Applies faults, each in its namespace.
pub fn apply(node: &Node, faults: &[&Fault]) -> Result<()> {
    let namespaces = faults.iter().map(|fault| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fault.name, "labels": fault.labels}})
    });
    kubectl_apply(node, namespaces.collect())?;
    until_accounts_exist(node, faults.iter().map(|fault| fault.name.as_str()))?;
    let objects = faults.iter().flat_map(|fault| {
        fault.manifests.iter().map(|manifest| {
            let mut manifest = manifest.clone();
            let is_cluster_wide = CLUSTER_WIDE.iter().any(|kind| manifest["kind"] == *kind);
            if !is_cluster_wide {
                manifest["metadata"]["namespace"] = json!(fault.name);
            }
            manifest
        })
    });
    kubectl_apply(node, objects.collect())?;
    for fault in faults {
        for arguments in &fault.then {
            let arguments: Vec<&str> = ["-n", &fault.name].into_iter().chain(arguments.split(' ')).collect();
            node.kubectl(&arguments)?;
        }
    }
    Ok(())
}

/// Applies objects as one list.
pub fn kubectl_apply(node: &Node, objects: Vec<Value>) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let mut kubectl = node.enter(node.folder().join("kubectl"))?;
    kubectl.arg("--kubeconfig").arg(node.kubeconfig()).args(["apply", "-f", "-"]);
    let mut process = kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    process.stdin.take().context("stdin")?.write_all(list.as_bytes())?;
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Waits until each namespace has its account: a pod is refused before.
pub fn until_accounts_exist<'n>(node: &Node, namespaces: impl Iterator<Item = &'n str>) -> Result<()> {
    let mut left: Vec<&str> = namespaces.collect();
    let begun = Instant::now();
    loop {
        let listed = [
            "get",
            "serviceaccounts",
            "--all-namespaces",
            "--no-headers",
            "-o",
            "custom-columns=:.metadata.namespace",
        ];
        let listed = node.kubectl(&listed)?;
        left.retain(|namespace| !listed.lines().any(|line| line.trim() == *namespace));
        if left.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < ACCOUNTS, "no account in {left:?} after {ACCOUNTS:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Faults that do not show yet, of those that have not shown before.
pub struct Unsteady<'f> {
    left: Vec<(&'f Fault, &'f str, &'f str)>,
}

impl<'f> Unsteady<'f> {
    pub fn new(faults: &'f [Fault]) -> Self {
        let expected = |fault: &'f Fault| {
            fault.steady.iter().map(move |(kind, expression)| (fault, kind.as_str(), expression.as_str()))
        };
        Self { left: faults.iter().flat_map(expected).collect() }
    }

    /// Looks again, and returns what is left. What shows once counts: between two tries of a container a pod shows
    /// other words.
    pub fn look(&mut self, node: &Node) -> Result<Vec<String>> {
        let mut tables: BTreeMap<&str, String> = BTreeMap::new();
        for (_, kind, _) in &self.left {
            if !tables.contains_key(kind) {
                let table = node.kubectl(&["get", kind, "--all-namespaces", "--no-headers"])?;
                tables.insert(kind, table);
            }
        }
        self.left.retain(|(fault, kind, expression)| {
            !fault.shows(kind, expression, tables.get(kind).map_or("", String::as_str))
        });
        let line = |(fault, kind, expression): &(&Fault, &str, &str)| {
            format!("{}: {kind} /{expression}/", fault.name)
        };
        Ok(self.left.iter().map(line).collect())
    }
}
