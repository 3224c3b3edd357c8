//! Recording faults: what a diagnosis may read of each, and its answers. `plugins/diagnosis/src/node.rs` makes cases of it.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use http::Request;
use serde_json::{Value, json};

use crate::{
    accounts,
    faults::{self, Fault, Unsteady},
    http::Streamable,
    node::Node,
    porthole::Porthole,
    workloads,
};

/// Maximum time until every fault shows; one that does not is left out.
const STEADY: Duration = Duration::from_secs(900);
/// Maximum time until every answer is right, from then on; one that is not is left out.
const RIGHT: Duration = Duration::from_secs(90);
/// Lines at the end of a log.
const LOG_LINES: u32 = 120;
/// Folders of faults, and of healthy objects that look like one.
const FOLDERS: [&str; 2] = ["tests/faults", "tests/faults/healthy"];
/// Namespaces that every cluster has and that a fault's objects may refer to.
const COMMON: [&str; 2] = ["default", "kube-system"];

/// Kinds in a namespace that a diagnosis reads, with their API and plural. Secrets are not granted.
const NAMESPACED: [(&str, &str, &str); 21] = [
    ("PersistentVolumeClaim", "api/v1", "persistentvolumeclaims"),
    ("ResourceQuota", "api/v1", "resourcequotas"),
    ("LimitRange", "api/v1", "limitranges"),
    ("ServiceAccount", "api/v1", "serviceaccounts"),
    ("Role", "apis/rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    ("NetworkPolicy", "apis/networking.k8s.io/v1", "networkpolicies"),
    ("ConfigMap", "api/v1", "configmaps"),
    ("CronJob", "apis/batch/v1", "cronjobs"),
    ("Job", "apis/batch/v1", "jobs"),
    ("Deployment", "apis/apps/v1", "deployments"),
    ("StatefulSet", "apis/apps/v1", "statefulsets"),
    ("DaemonSet", "apis/apps/v1", "daemonsets"),
    ("ReplicaSet", "apis/apps/v1", "replicasets"),
    ("Pod", "api/v1", "pods"),
    ("PodDisruptionBudget", "apis/policy/v1", "poddisruptionbudgets"),
    ("HorizontalPodAutoscaler", "apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("EndpointSlice", "apis/discovery.k8s.io/v1", "endpointslices"),
    ("Service", "api/v1", "services"),
    ("Ingress", "apis/networking.k8s.io/v1", "ingresses"),
    ("Event", "api/v1", "events"),
];
/// As [`NAMESPACED`], of the whole cluster.
const CLUSTER_WIDE: [(&str, &str, &str); 10] = [
    ("Node", "api/v1", "nodes"),
    ("APIService", "apis/apiregistration.k8s.io/v1", "apiservices"),
    ("MutatingWebhookConfiguration", "apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
    (
        "ValidatingWebhookConfiguration",
        "apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
    ),
    ("PriorityClass", "apis/scheduling.k8s.io/v1", "priorityclasses"),
    ("StorageClass", "apis/storage.k8s.io/v1", "storageclasses"),
    ("IngressClass", "apis/networking.k8s.io/v1", "ingressclasses"),
    ("PersistentVolume", "api/v1", "persistentvolumes"),
    ("ClusterRole", "apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    ("ClusterRoleBinding", "apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
];

/// Applies faults of these names, or all (of those that need a node with add-ons, if it `has_addons`), and writes what is read of each, once it shows, to `into`.
///
/// # Errors
/// Names the faults that could not be recorded, after all others are.
pub async fn record(node: &Node, root: &Path, into: &Path, has_addons: bool, only: &[String]) -> Result<()> {
    let (faults, mut left) = chosen(root, has_addons, only)?;
    std::fs::create_dir_all(into)?;
    workloads::import(node, root)?;
    faults::apply(node, &faults.iter().collect::<Vec<_>>())?;
    let host = Porthole::start(&node.kubeconfig()).await;
    let admin = node.admin().await?;
    let client = reader(root, &admin, &host).await?;
    let recorder = Recorder { node, admin, client, faults: &faults };
    let (begun, mut unsteady) = (Instant::now(), Unsteady::new(&faults));
    // An API server that is busy with all of it may not answer in time.
    let mut waiting = vec![String::new()];
    while !waiting.is_empty() && begun.elapsed() < STEADY {
        waiting = unsteady.look(node).unwrap_or_else(|error| vec![format!("{error:#}")]);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    eprintln!("shown after {} s, but {} of {}", begun.elapsed().as_secs(), waiting.len(), faults.len());
    let waits = |fault: &Fault| waiting.iter().any(|line| line.starts_with(&format!("{}: ", fault.name)));
    left.extend(waiting.iter().map(|line| format!("{line} does not show")));
    let mut due: Vec<&Fault> = faults.iter().filter(|fault| !waits(fault)).collect();
    let begun = Instant::now();
    loop {
        let mut wrong = Vec::new();
        for fault in std::mem::take(&mut due) {
            let sentences = match recorder.facts(fault).await {
                Ok((facts, wrong)) => {
                    std::fs::write(into.join(format!("{}.json", fault.name)), recorder.scrubbed(&facts))?;
                    wrong
                }
                Err(error) => vec![format!("{}: {error:#}", fault.name)],
            };
            if !sentences.is_empty() {
                due.push(fault);
                wrong.extend(sentences);
            }
        }
        // A log may not yet say what a pod's status has shown for a while.
        if due.is_empty() || begun.elapsed() > RIGHT {
            left.extend(wrong);
            break;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    if !left.is_empty() {
        bail!("not recorded:\n{}", left.join("\n"));
    }
    Ok(())
}

/// The faults to record; and sentences about those that this node cannot show.
fn chosen(root: &Path, has_addons: bool, only: &[String]) -> Result<(Vec<Fault>, Vec<String>)> {
    let mut faults = Vec::new();
    for folder in FOLDERS {
        faults.extend(Fault::read(&root.join(folder))?);
    }
    if let Some(unknown) = only.iter().find(|name| !faults.iter().any(|fault| fault.name == **name)) {
        bail!("tests/faults has no {unknown}");
    }
    faults.retain(|fault| only.is_empty() || only.contains(&fault.name));
    if has_addons && only.is_empty() {
        faults.retain(|fault| fault.needs.is_some());
    }
    let (left, faults): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| fault.needs.is_some() && !has_addons);
    let asked = left.iter().filter(|fault| only.contains(&fault.name));
    let left =
        asked.map(|fault| format!("{}: it needs {}", fault.name, fault.needs.as_deref().unwrap_or_default()));
    Ok((faults, left.collect()))
}

/// A client with the account that the guide has made.
async fn reader(root: &Path, admin: &kube::Client, host: &Porthole) -> Result<Streamable> {
    let manifest = std::fs::read_to_string(root.join("deploy/kubernetes.yaml"))?;
    let rules = manifest
        .split("\n---\n")
        .filter_map(|text| serde_saphyr::from_str::<Value>(text).ok())
        .find(|object| {
            object["kind"] == "ClusterRole" && object["metadata"]["name"] == "k8s-mcp-server-reader"
        })
        .context("deploy/kubernetes.yaml has no role of the reader")?["rules"]
        .clone();
    accounts::namespace(admin, "accounts").await?;
    let token = accounts::account(admin, "accounts", "reader").await?;
    accounts::allow(admin, ("accounts", "reader"), None, rules).await?;
    Ok(Streamable::new(&host.origin, Some(&token)))
}

struct Recorder<'n> {
    node: &'n Node,
    admin: kube::Client,
    client: Streamable,
    faults: &'n [Fault],
}

impl Recorder<'_> {
    /// Facts of a fault with the answers to its questions; and sentences about wrong answers, which are not among them.
    async fn facts(&self, fault: &Fault) -> Result<(Value, Vec<String>)> {
        let now = seconds();
        let mut objects = Vec::new();
        for (kind, api, plural) in CLUSTER_WIDE {
            let listed = self.list(kind, &format!("/{api}/{plural}")).await?;
            objects.extend(listed.into_iter().filter(|object| !self.is_of_another(fault, object)));
        }
        let mut logs = Vec::new();
        for namespace in [fault.name.as_str()].into_iter().chain(COMMON) {
            objects.push(self.get("Namespace", &format!("/api/v1/namespaces/{namespace}")).await?);
            for (kind, api, plural) in NAMESPACED {
                objects.extend(self.list(kind, &format!("/{api}/namespaces/{namespace}/{plural}")).await?);
            }
        }
        let own = |object: &&Value| object["kind"] == "Pod" && object["metadata"]["namespace"] == *fault.name;
        for pod in objects.iter().filter(own) {
            logs.extend(self.logs(&fault.name, pod).await);
        }
        let (mut questions, mut wrong) = (Vec::new(), Vec::new());
        for question in &fault.questions {
            let answer = self.client.call("diagnose", question.arguments.clone()).await?;
            let verdict = fault.expectation(question)?.judge(&answer);
            match verdict.is_right() {
                true => questions.push(json!({"arguments": question.arguments, "answer": answer})),
                false => wrong.push(format!("{} {}: {verdict}", fault.name, question.arguments)),
            }
        }
        let beside: BTreeSet<&String> = fault.beside.iter().chain(&fault.weaker).collect();
        let rows = CLUSTER_WIDE.iter().chain(&NAMESPACED).map(|row| row.0);
        let kinds: Vec<&str> = rows.chain(["Namespace"]).collect();
        let facts = json!({"now": now, "beside": beside, "kinds": kinds, "objects": objects, "logs": logs, "questions": questions});
        Ok((facts, wrong))
    }

    async fn get(&self, kind: &str, path: &str) -> Result<Value> {
        let mut object: Value = self.admin.request(Request::get(path).body(Vec::new())?).await?;
        object["kind"] = kind.into();
        Ok(object)
    }

    /// Objects of a list, whose items do not name their kind.
    async fn list(&self, kind: &str, path: &str) -> Result<Vec<Value>> {
        let mut list: Value = self.admin.request(Request::get(path).body(Vec::new())?).await?;
        let mut items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for item in &mut items {
            item["kind"] = kind.into();
        }
        Ok(items)
    }

    /// True for an object of the whole cluster that another fault has made.
    fn is_of_another(&self, fault: &Fault, object: &Value) -> bool {
        let name = &object["metadata"]["name"];
        let is_of = |other: &Fault| {
            let made = |manifest: &Value| {
                manifest["kind"] == object["kind"] && manifest["metadata"]["name"] == *name
            };
            other.manifests.iter().any(made)
                || object["spec"]["claimRef"]["namespace"] == *other.name
                || name == "accounts-reader-all"
        };
        !is_of(fault) && self.faults.iter().any(is_of)
    }

    /// Logs of the containers of a pod that have run.
    async fn logs(&self, namespace: &str, pod: &Value) -> Vec<Value> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let mut logs = Vec::new();
        for list in ["initContainerStatuses", "containerStatuses"] {
            for status in pod["status"][list].as_array().into_iter().flatten() {
                let container = status["name"].as_str().unwrap_or_default();
                for is_previous in [false, true] {
                    if is_previous && status["restartCount"] == 0 {
                        continue;
                    }
                    let path = format!(
                        "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&previous={is_previous}&timestamps=true&tailLines={LOG_LINES}"
                    );
                    let Ok(request) = Request::get(path).body(Vec::new()) else { continue };
                    // A container that never ran has no log.
                    if let Ok(text) = self.admin.request_text(request).await {
                        logs.push(json!({"pod": name, "container": container, "previous": is_previous, "text": text}));
                    }
                }
            }
        }
        logs
    }

    /// The text of facts, without paths of the machine.
    fn scrubbed(&self, facts: &Value) -> String {
        let mut text = facts.to_string();
        let home = std::env::var("HOME").unwrap_or_default();
        for (folder, instead) in [(self.node.folder().display().to_string(), "/node/"), (home, "/home/node/")]
        {
            // With the slash behind it: /root is a part of shop/rootless.
            if folder.len() > 1 {
                text = text.replace(&format!("{folder}/"), instead);
            }
        }
        text
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
