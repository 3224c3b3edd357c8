//! Tools from a registry, by the init container of deploy/registry: pulled if they are signed, and the pod's only way out
//! beside the cluster.

use std::{fs, net::TcpListener, path::PathBuf, process::Command, time::Duration};

use porthole_e2e::root;
use porthole_testbed::{
    node::{ADDRESS, NODE_NAME, Node},
    pki::Pki,
    porthole::binary,
    registry::Registry,
    versions::{number, version},
};
use serde_json::{Value, json};

use crate::{
    beside::Beside,
    deployed::{Deployed, SOON},
    roads::command_with,
    shell, until,
};

/// Deployment of this test, and label of its pods.
const NAME: &str = "by-registry";
const NAMESPACE: &str = "mcp-tools";
/// Tool of this test; its answer begins with its version.
const TOOL: &str = "versioned";
/// Maximum time until the log of a new pod has what is expected of it.
const STARTED: Duration = Duration::from_secs(180);

/// A copy of deploy/ that is completed as its comments say, and a registry in the node's network.
struct Stage {
    folder: tempfile::TempDir,
    registry: Registry,
}

impl Stage {
    fn new(node: &Node) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::make_for(folder.path(), &[ADDRESS]).unwrap();
        let registry = Registry::start_with_tls(ADDRESS, &pki).unwrap();
        let copy = "cp -r deploy/kustomization.yaml deploy/kubernetes.yaml deploy/registry";
        shell(node, &format!("{copy} {}", folder.path().display()));
        let stage = Self { folder, registry };
        let port = stage.registry.host.strip_prefix(&format!("{ADDRESS}:")).unwrap();
        stage.edit("tools.yaml", "registry.example.com/tools/certs:1", &stage.image());
        stage.edit("tools.yaml", "registry.example.com", &stage.registry.host);
        stage.edit("network.yaml", "192.0.2.10", ADDRESS);
        stage.edit("network.yaml", "5000", port);
        fs::copy(pki.ca, stage.file("ca.pem")).unwrap();
        stage.trust("p256.pub");
        stage
    }

    fn image(&self) -> String {
        format!("{}/tools/{TOOL}:1", self.registry.host)
    }

    /// File of the component.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("registry").join(name)
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}: {text}");
        fs::write(self.file(name), text.replace(from, to)).unwrap();
    }

    /// Adds the sidecar as its comment says, with a poll that comes sooner.
    fn add_sidecar(&self) {
        self.edit(
            "../kustomization.yaml",
            "components: [registry]",
            "components: [registry, registry/following]",
        );
        self.edit("following/follow.yaml", "--poll=5m", "--poll=1s");
    }

    /// Makes a key of the fixtures the one that is trusted.
    fn trust(&self, key: &str) {
        fs::copy(fixture(key), self.file("platform.pub")).unwrap();
    }

    /// Pushes a version of the tool under the one tag, signed.
    fn push(&self, n: u32) {
        let tool = self.folder.path().join("versioned.wasm");
        fs::write(&tool, version(n)).unwrap();
        let (tool, key) = (tool.display().to_string(), fixture("p256.key").display().to_string());
        self.porthole(&["plugin", "push", &tool, &self.image(), "--config=tools.yaml", "--key", &key]);
    }

    /// Writes the lock as the guide says.
    fn lock(&self) {
        let command = command_with("porthole plugin lock");
        let (folder, command) = command.split_once(" && porthole ").unwrap();
        assert_eq!(folder, "cd deploy/registry");
        self.porthole(&command.split(' ').collect::<Vec<_>>());
    }

    /// Runs the command line beside the files of the component; it must succeed.
    fn porthole(&self, arguments: &[&str]) {
        let mut command = Command::new(binary());
        let output = command.args(arguments).current_dir(self.file("")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Objects that the guide's command would apply. The API server looks at them, without a warning.
    fn objects(&self, node: &Node) -> Vec<Value> {
        let folder = self.folder.path().display().to_string();
        let command = command_with("kubectl apply --server-side -k deploy");
        shell(node, &format!("{} --dry-run=server", command.replace("deploy", &folder)));
        let built = shell(node, &format!("kubectl kustomize {folder}"));
        built.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
    }

    /// Applies the files, and returns the name of their ConfigMap.
    fn apply_files(&self, node: &Node) -> String {
        let objects = self.objects(node);
        let is_generated = |object: &&Value| name(object).starts_with("porthole-tools-");
        let files = objects.iter().find(is_generated).unwrap();
        apply(node, files);
        name(files).to_owned()
    }
}

fn fixture(key: &str) -> PathBuf {
    root().join("tests/fixtures/signatures").join(key)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn apply(node: &Node, object: &Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, object.to_string()).unwrap();
    shell(node, &format!("kubectl apply --server-side -f {}", file.path().display()));
}

/// Rolls out pods that mount another ConfigMap, as applying the kustomization again does.
fn roll_out(node: &Node, files: &str) {
    let volumes =
        ["tools-sources", "tools-lock"].map(|name| json!({"name": name, "configMap": {"name": files}}));
    let patch = json!({"spec": {"template": {"spec": {"volumes": volumes}}}});
    shell(node, &format!("kubectl patch deploy -n {NAMESPACE} {NAME} -p '{patch}'"));
}

/// The pod of the Deployment among these objects, on the node into whose networks the test looks.
fn pod_of(objects: &[Value]) -> Value {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let mut pod = deployment["spec"]["template"]["spec"].clone();
    pod["nodeSelector"] = json!({"kubernetes.io/hostname": NODE_NAME});
    pod
}

/// Rolls out another pod.
fn roll_out_pod(node: &Node, pod: &Value) {
    let patch = json!([{"op": "replace", "path": "/spec/template/spec", "value": pod}]);
    shell(node, &format!("kubectl patch deploy -n {NAMESPACE} {NAME} --type=json -p '{patch}'"));
}

/// Pods of the Deployment in a phase.
fn pods(node: &Node, phase: &str) -> Vec<Value> {
    let selector = format!("app={NAME}");
    let list = node.kubectl(&["get", "pods", "-n", NAMESPACE, "-l", &selector, "-o", "json"]).unwrap();
    let mut list: Value = serde_json::from_str(&list).unwrap();
    let mut pods = std::mem::take(list["items"].as_array_mut().unwrap());
    pods.retain(|pod| pod["status"]["phase"] == phase && pod["metadata"]["deletionTimestamp"].is_null());
    pods
}

/// Log of a container.
fn log(node: &Node, pod: &Value, container: &str) -> Result<String, String> {
    let arguments = ["logs", "-n", NAMESPACE, name(pod), "-c", container];
    node.kubectl(&arguments).map_err(|error| error.to_string())
}

/// Waits until the init container of a pod in a phase has logged this, and returns the pod.
async fn until_logged(node: &Node, phase: &str, text: &str) -> Value {
    until(&format!("the init container logs {text:?}"), STARTED, async || {
        let pods = pods(node, phase);
        let [pod] = pods.as_slice() else { return Err(format!("{} pods are {phase}", pods.len())) };
        match log(node, pod, "tools")? {
            log if log.contains(text) => Ok(pod.clone()),
            log => Err(log),
        }
    })
    .await
}

/// True if a connection can be opened from the network of a pod on the first node.
fn reaches(node: &Node, pod: &Value, port: &str) -> bool {
    let container = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
    let container = container.trim_start_matches("containerd://");
    let tasks = node.enter_wholly("ctr").unwrap().args(["-n", "k8s.io", "tasks", "ls"]).output().unwrap();
    let tasks = String::from_utf8(tasks.stdout).unwrap();
    let task = tasks.lines().find(|line| line.starts_with(container)).unwrap();
    let process = task.split_whitespace().nth(1).unwrap();
    let mut command = node.enter_wholly("nsenter").unwrap();
    // What a policy drops is not answered at all; a busy machine answers the rest within this time.
    command.args(["--target", process, "--net", "--", "timeout", "10", "bash", "-c"]);
    let output = command.arg(format!(": > /dev/tcp/{ADDRESS}/{port}")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!error.contains("No such file"), "this bash opens no connections: {error}");
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_tool_is_pulled_before_the_server_starts_and_a_wrong_key_leaves_the_old_pod_serving() {
    let deployed = Deployed::get().await;
    let node = &deployed.node;
    let stage = Stage::new(node);
    stage.push(1);
    stage.lock();
    let objects = stage.objects(node);
    for policy in objects.iter().filter(|object| object["kind"] == "NetworkPolicy") {
        let mut policy = policy.clone();
        policy["metadata"]["name"] = format!("{NAME}-{}", name(&policy)).into();
        policy["spec"]["podSelector"] = json!({"matchLabels": {"app": NAME}});
        apply(node, &policy);
    }
    stage.apply_files(node);
    let road = Beside::deploy(deployed, (NAME, NAMESPACE), |pod| *pod = pod_of(&objects));
    road.until_answered(TOOL, &format!("{} sees", number(1))).await;
    let pod = until_logged(node, "Running", "versioned.wasm: pulled, ").await;
    // The runtime may write the line to the pod's log after the caller has its answer.
    let audit = until("the call is in the audit log", STARTED, async || {
        let log = log(node, &pod, "porthole")?;
        let line = log.lines().find(|line| line.contains("\"verdict\":\"ok\"")).map(str::to_owned);
        line.ok_or(log)
    })
    .await;
    assert!(audit.contains(&format!("{}/tools/{TOOL}@sha256:", stage.registry.host)), "{audit}");
    assert!(audit.contains("\"signedBy\":\"platform\""), "{audit}");

    // The network of the pod: the cluster and the registry.
    let other = TcpListener::bind((ADDRESS, 0)).unwrap();
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let elsewhere = port(&other.local_addr().unwrap().to_string());
    std::net::TcpStream::connect(other.local_addr().unwrap()).unwrap();
    until("the pod reaches nothing else", SOON, async || {
        if reaches(node, &pod, &elsewhere) { Err(format!("{ADDRESS}:{elsewhere}")) } else { Ok(()) }
    })
    .await;
    assert!(reaches(node, &pod, &port(&stage.registry.host)), "the registry is open to the pod");
    assert!(reaches(node, &pod, "6443"), "the API server is open to the pod");

    stage.trust("ed25519.pub");
    roll_out(node, &stage.apply_files(node));
    let refusal = "is not signed by platform: its signature is by another key";
    until_logged(node, "Pending", refusal).await;
    // The kubelet reports a status after it has started what the status is about.
    until("the server of the new pod is not started", STARTED, async || {
        let pods = pods(node, "Pending");
        let [pod] = pods.as_slice() else { return Err(format!("{} pods are Pending", pods.len())) };
        let status = &pod["status"];
        if status["containerStatuses"][0]["started"] == false { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    road.until_answered(TOOL, &format!("{} sees", number(1))).await;
    assert_eq!(name(&pods(node, "Running")[0]), name(&pod), "the pod from before serves");

    // The tag moves, and is followed when the lock is written anew.
    stage.trust("p256.pub");
    stage.push(2);
    stage.lock();
    roll_out(node, &stage.apply_files(node));
    road.until_answered(TOOL, &format!("{} sees", number(2))).await;

    // With the sidecar it is followed by the pod that runs, and the lock is the pod's own.
    stage.add_sidecar();
    stage.apply_files(node);
    roll_out_pod(node, &pod_of(&stage.objects(node)));
    let following = until("the pod with the sidecar is alone", STARTED, async || {
        let pods = pods(node, "Running");
        let [pod] = pods.as_slice() else { return Err(format!("{} pods run", pods.len())) };
        let containers = pod["spec"]["initContainers"].as_array().unwrap();
        let is_sidecar = |container: &Value| container["name"] == "following";
        containers.iter().any(is_sidecar).then(|| pod.clone()).ok_or_else(|| pod["status"].to_string())
    })
    .await;
    road.until_answered(TOOL, &format!("{} sees", number(2))).await;
    stage.push(3);
    road.until_answered(TOOL, &format!("{} sees", number(3))).await;
    let running = pods(node, "Running");
    assert_eq!(running.iter().map(name).collect::<Vec<_>>(), [name(&following)], "nothing was rolled out");
    // The lock is written after the file, so a first call may be without its source.
    let source = format!("{}/tools/{TOOL}@sha256:", stage.registry.host);
    until("the audit log names the image", STARTED, async || {
        road.until_answered(TOOL, &format!("{} sees", number(3))).await;
        let log = log(node, &following, "porthole")?;
        let is_named = log.lines().any(|line| line.contains(&number(3)) && line.contains(&source));
        if is_named { Ok(()) } else { Err(log) }
    })
    .await;
}
