//! Cases (tests/cases): real faults, and the one call that names the cause of each.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::{node::Node, verdict::Expectation};

/// Maximum time until all workloads show their faults: a crash loop backs off, and everything starts at once.
pub const STEADY: Duration = Duration::from_secs(600);

/// Pods that no node takes: hundreds of alike rows, which must not hide a fault. Of the namespace `crowd`.
pub const NOISE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd}
spec:
  replicas: 500
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec:
      nodeSelector: {disk: nowhere}
      containers: [{name: crowd, image: "busybox:1.36"}]
"#;

/// A case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name of its folder.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    folder: PathBuf,
    /// Question of a person.
    pub prompt: String,
    /// Names in the question.
    pub names: Value,
    /// The call that should answer it.
    pub call: Call,
    /// Rules that a right answer names; none if another tool than `diagnose` answers.
    causes: Option<Vec<String>>,
    facts: Vec<String>,
    forbidden: Vec<String>,
    /// The shortest way by npm `kubernetes-mcp-server`.
    pub popular_server: Vec<Call>,
    steady: Vec<Steady>,
}

/// A call of a tool. An argument `{re: …}` is taken from the answer before it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub tool: String,
    pub arguments: Value,
}

/// Pods that show a status.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steady {
    namespace: String,
    pod: String,
    status: String,
    count: usize,
    #[serde(default)]
    restarts: u64,
    /// Expression of a line that their logs hold: a container runs before its program has written anything.
    log: Option<String>,
}

impl Case {
    /// All cases of the repository, by name.
    pub fn read(root: &Path) -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        for entry in std::fs::read_dir(root.join("tests/cases"))? {
            let folder = entry?.path();
            if !folder.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(folder.join("case.yaml"))?;
            let mut case: Self =
                serde_saphyr::from_str(&text).with_context(|| folder.display().to_string())?;
            case.name = folder.file_name().unwrap_or_default().display().to_string();
            case.folder = folder;
            cases.push(case);
        }
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cases)
    }

    pub fn apply(&self, node: &Node) -> Result<()> {
        let manifests = self.folder.join("manifests.yaml").display().to_string();
        node.kubectl(&["apply", "-f", &manifests]).map(|_| ())
    }

    /// Expectation of the answer to its call.
    pub fn expectation(&self) -> Result<Expectation> {
        Expectation::new(self.causes.as_deref(), &self.facts, &self.forbidden)
    }

    /// Rules that a right answer names.
    pub fn causes(&self) -> &[String] {
        self.causes.as_deref().unwrap_or_default()
    }

    pub fn number_of_facts(&self) -> usize {
        self.facts.len()
    }

    /// Expectation of an answer in other words: the facts, wherever they stand.
    pub fn facts(&self) -> Result<Expectation> {
        Expectation::new(None, &self.facts, &self.forbidden)
    }

    /// The statuses of the pods that show its fault, the same text twice if none changed between. `None` while they do not
    /// show it: a container that crashes runs for a moment.
    pub fn shown(&self, node: &Node) -> Result<Option<String>> {
        let mut shown = String::new();
        for expected in &self.steady {
            let table = expected.table(node)?;
            let pods = expected.shown(&table)?;
            if pods.len() < expected.count {
                return Ok(None);
            }
            for line in table.lines() {
                // Name, READY, STATUS and RESTARTS, without the ages.
                let columns: Vec<&str> = line.split_whitespace().take(4).collect();
                if columns.first().is_some_and(|name| pods.iter().any(|pod| pod == name)) {
                    shown.push_str(&columns.join(" "));
                    shown.push('\n');
                }
            }
        }
        Ok(Some(shown))
    }

    /// Expectations about the pods of all cases that do not hold yet. Logs, some of megabytes, are read when all pods show
    /// what they should.
    pub fn unsteady(cases: &[Self], node: &Node) -> Result<Vec<String>> {
        let (mut unsteady, mut shown) = (Vec::new(), Vec::new());
        for case in cases {
            for expected in &case.steady {
                let table = expected.table(node)?;
                let pods = expected.shown(&table)?;
                if pods.len() < expected.count {
                    unsteady.push(format!("{}: {expected:?}", case.name));
                }
                shown.push((case, expected, pods));
            }
        }
        if unsteady.is_empty() {
            for (case, expected, pods) in shown {
                if !expected.is_logged(node, &pods)? {
                    unsteady.push(format!("{}: {expected:?}", case.name));
                }
            }
        }
        Ok(unsteady)
    }
}

impl Steady {
    /// Pods of its namespace, as kubectl lists them.
    fn table(&self, node: &Node) -> Result<String> {
        node.kubectl(&["get", "pods", "-n", &self.namespace, "--no-headers"])
    }

    /// Names of the pods that show the status.
    fn shown(&self, table: &str) -> Result<Vec<String>> {
        let (pod, status) = (Regex::new(&self.pod)?, Regex::new(&format!("^({})$", self.status))?);
        let shown = table.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            match columns[..] {
                [name, _, shown, restarts, ..]
                    if pod.is_match(name)
                        && status.is_match(shown)
                        && restarts.parse::<u64>().unwrap_or_default() >= self.restarts =>
                {
                    Some(name.to_owned())
                }
                _ => None,
            }
        });
        Ok(shown.collect())
    }

    /// True if the log of each pod holds the line.
    fn is_logged(&self, node: &Node, pods: &[String]) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(true) };
        let line = Regex::new(log)?;
        // A log cannot be read before its container runs: that is no failure of the wait.
        Ok(pods.iter().all(|pod| {
            node.kubectl(&["logs", "-n", &self.namespace, pod]).is_ok_and(|log| line.is_match(&log))
        }))
    }
}
