//! Real faults (tests/cases), all in one cluster: a single call must name the cause of each.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::node::{Image, Node};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::{deployed::Deployed, shell, until};

/// Maximum time until all workloads show their faults: a crash loop backs off, and everything starts at once.
const STEADY: Duration = Duration::from_secs(180);

/// Images that the manifests name: scripts of tests/fixtures/images that are added to busybox, names, command.
const IMAGES: [(Option<&str>, &[&str], &[&str]); 5] = [
    (
        None,
        &[
            "docker.io/library/busybox:latest",
            "docker.io/library/busybox:1.28",
            "docker.io/library/busybox:1.35",
            "docker.io/library/redis:6.2.6",
        ],
        &["sh"],
    ),
    (
        Some("nginx.sh"),
        &["docker.io/library/nginx:latest", "docker.io/library/nginx:alpine"],
        &["httpd", "-f", "-p", "80", "-h", "/usr/share/nginx/html"],
    ),
    (Some("python.sh"), &["docker.io/library/python:3.9-slim"], &["python"]),
    (Some("postgres.sh"), &["docker.io/library/postgres:15-alpine"], &["postgres"]),
    (Some("kubectl.sh"), &["docker.io/bitnami/kubectl:latest"], &["kubectl"]),
];

/// Pods that no node takes: hundreds of alike rows, which must not hide a fault.
const NOISE: &str = r#"
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

/// A case and its folder.
struct Case {
    name: String,
    folder: PathBuf,
    content: Value,
}

impl Case {
    fn all() -> Vec<Self> {
        let folders = std::fs::read_dir(root().join("tests/cases")).unwrap();
        let mut cases: Vec<Self> = folders
            .map(|entry| entry.unwrap().path())
            .filter(|folder| folder.is_dir())
            .map(|folder| {
                let content = std::fs::read_to_string(folder.join("case.yaml")).unwrap();
                let name = folder.file_name().unwrap().display().to_string();
                Self { name, content: serde_saphyr::from_str(&content).unwrap(), folder }
            })
            .collect();
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        cases
    }

    /// Expectations about pods that do not hold yet.
    fn unsteady(&self, node: &Node) -> Vec<String> {
        let expected = self.content["steady"].as_array().unwrap();
        let holds = |expected: &&Value| {
            let text = |key: &str| expected[key].as_str().unwrap();
            let restarts = expected["restarts"].as_u64().unwrap_or_default();
            let pods = node.kubectl(&["get", "pods", "-n", text("namespace"), "--no-headers"]).unwrap();
            let (pod, status) =
                (Regex::new(text("pod")).unwrap(), Regex::new(&format!("^({})$", text("status"))).unwrap());
            let shown = pods.lines().filter(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                columns.len() > 3
                    && pod.is_match(columns[0])
                    && status.is_match(columns[2])
                    && columns[3].parse::<u64>().unwrap_or_default() >= restarts
            });
            shown.count() as u64 >= expected["count"].as_u64().unwrap()
        };
        expected.iter().filter(|expected| !holds(expected)).map(Value::to_string).collect()
    }

    /// Expressions of a list that are found, or are not.
    fn expressions(&self, list: &str, text: &str, found: bool) -> Vec<&str> {
        let expressions =
            self.content[list].as_array().unwrap().iter().map(|expression| expression.as_str().unwrap());
        expressions
            .filter(|expression| {
                let regex =
                    RegexBuilder::new(expression).case_insensitive(true).multi_line(true).build().unwrap();
                regex.is_match(text) == found
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_names_the_cause_of_each_fault() {
    let deployed = Deployed::get().await;
    let cases = Case::all();
    import(&deployed.node);
    shell(
        &deployed.node,
        &format!("kubectl create namespace crowd; kubectl apply -n crowd -f - <<'YAML'\n{NOISE}\nYAML"),
    );
    for case in &cases {
        let manifests = case.folder.join("manifests.yaml").display().to_string();
        deployed.node.kubectl(&["apply", "-f", &manifests]).unwrap();
    }
    let begun = Instant::now();
    until("the faults show", STEADY, async || {
        let unsteady: Vec<String> = cases.iter().flat_map(|case| case.unsteady(&deployed.node)).collect();
        if unsteady.is_empty() { Ok(()) } else { Err(unsteady.join("\n")) }
    })
    .await;
    until("the crowd is there", STEADY, async || {
        let pods = deployed.node.kubectl(&["get", "pods", "-n", "crowd", "-o", "name"]).unwrap();
        if pods.lines().count() == 500 { Ok(()) } else { Err(pods.lines().count().to_string()) }
    })
    .await;
    eprintln!("{} cases, steady after {} s", cases.len(), begun.elapsed().as_secs());
    eprintln!("{:<40} {:<22} {:>7} {:>6}  result", "case", "call", "tokens", "ms");
    let mut wrong = Vec::new();
    for case in &cases {
        let call = &case.content["call"];
        let tool = call["tool"].as_str().unwrap();
        let begun = Instant::now();
        let answer = deployed.call(tool, call["arguments"].clone()).await;
        let took = begun.elapsed().as_millis();
        let (missing, forbidden) =
            (case.expressions("facts", &answer, false), case.expressions("forbidden", &answer, true));
        let right = missing.is_empty() && forbidden.is_empty();
        // A token has four characters, roughly.
        let tokens = answer.len() / 4;
        eprintln!(
            "{:<40} {tool:<22} {tokens:>7} {took:>6}  {}",
            case.name,
            if right { "right" } else { "WRONG" }
        );
        if !right {
            wrong.push(format!("{}: missing {missing:?}, forbidden {forbidden:?}\n{answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

fn import(node: &Node) {
    let scripts = root().join("tests/fixtures/images");
    let path = format!("{}:{}", node.folder().display(), std::env::var("PATH").unwrap_or_default());
    for (script, tags, command) in IMAGES {
        let folder = tempfile::tempdir().unwrap();
        // Not the folder itself, which nobody else may read.
        let files = folder.path().join("files");
        Image::busybox(&files).unwrap();
        if let Some(script) = script {
            run(&scripts.join(script), &files, &path);
        }
        node.import(&files, &Image { tags, command, ..Image::default() }).unwrap();
    }
}

fn run(script: &Path, folder: &Path, path: &str) {
    let output = Command::new("sh").arg(script).arg(folder).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
}
