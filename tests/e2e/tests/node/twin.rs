//! Deployments beside the guide's that end, are killed or replaced while Dify visits.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use porthole_testbed::{
    dify::Dify,
    http::Way,
    node::{NODE_NAME, Node},
    porthole::tools,
};
use serde_json::{Value, json};

use crate::{
    deployed::image,
    deployment::Deployment,
    shell, until,
    visits::{Door, Visits},
};

/// Maximum time until a pod serves.
const READY: Duration = Duration::from_secs(180);
/// Maximum time until the Service leads to a pod that is ready again: controllers and kube-proxy sum changes up, and a busy
/// machine is slow. Refusals within it are not the host's.
pub(crate) const OPENED: Duration = Duration::from_secs(30);
/// Time until every connection goes where the Service leads now: kube-proxy sums changes up for a second, and a busy machine
/// is slow.
pub(crate) const SPREAD: Duration = Duration::from_secs(5);
/// Tools of the image: few, so that pods are ready within a second or two.
const TOOLS: [&str; 4] = ["namespaces_list", "nodes_log", "nodes_stats_summary", "pods_log"];
/// Name of the image.
const IMAGE: &str = "docker.io/library/porthole:days";

/// A deployment with few tools, which Dify visits; deleted on drop.
pub(crate) struct Twin<'n> {
    deployment: Deployment<'n>,
}

/// A pod of a Deployment.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) container: String,
    is_ready: bool,
    is_ending: bool,
}

impl<'n> Twin<'n> {
    /// Creates it, and waits until it serves. `change` sees the specification of its pods.
    pub(crate) async fn create(
        node: &'n Node,
        name: &'static str,
        replicas: u32,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        import(node);
        let deployment = Deployment::apply(node, (name, "mcp-tools"), replicas, |pod| {
            pod["containers"][0]["image"] = IMAGE.into();
            // `kill` looks for its container there.
            pod["nodeSelector"] = json!({"kubernetes.io/hostname": NODE_NAME});
            // Other tests keep the processors busy: a probe that is late must neither take a pod out of the Service nor end it,
            // and other pods must not have the processor first.
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                pod["containers"][0][probe]["timeoutSeconds"] = 5.into();
            }
            pod["containers"][0]["resources"]["requests"]["cpu"] = "200m".into();
            change(pod);
        });
        let twin = Self { deployment };
        twin.until_rolled_out();
        twin
    }

    pub(crate) fn until_rolled_out(&self) {
        let limit = READY.as_secs();
        shell(
            self.deployment.node,
            &format!(
                "kubectl rollout status -n mcp-tools deploy/{} --timeout={limit}s",
                self.deployment.name
            ),
        );
    }

    /// Its door for a reader, from one address.
    pub(crate) fn door(&self, token: &str) -> Door {
        Door { origin: self.deployment.origin.clone(), token: token.to_owned(), ways: vec![Way::default()] }
    }

    /// Begins to visit a door of it once that is open, and waits until it goes well.
    pub(crate) async fn visits(&self, door: &Door) -> Visits {
        until("the door is open", READY, async || {
            for way in &door.ways {
                let connected = Dify::connect_by(way.client(), &door.origin, Some(&door.token)).await;
                connected.map_err(|error| format!("{error:#}"))?;
            }
            Ok(())
        })
        .await;
        let visits = Visits::begin(door.clone());
        visits.answered(40).await;
        visits
    }

    /// Its pods as the API server has them.
    fn objects(&self) -> Vec<Value> {
        let selector = format!("app={}", self.deployment.name);
        let read =
            self.deployment.node.kubectl(&["get", "pods", "-n", "mcp-tools", "-l", &selector, "-o", "json"]);
        let list: Value = serde_json::from_str(&read.unwrap()).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// Names of its pods, and the `Ready` condition of each: its status, and the time of its last change.
    pub(crate) fn ready_since(&self) -> Vec<String> {
        let pods = self.objects();
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().unwrap();
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
            format!("{} {} {}", pod["metadata"]["name"], ready["status"], ready["lastTransitionTime"])
        };
        pods.iter().map(ready).collect()
    }

    pub(crate) fn pods(&self) -> Vec<Pod> {
        let pods = self.objects();
        let pods = pods.iter();
        pods.map(|pod| Pod {
            name: pod["metadata"]["name"].as_str().unwrap().to_owned(),
            container: {
                let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap_or_default();
                id.trim_start_matches("containerd://").to_owned()
            },
            is_ready: pod["status"]["containerStatuses"][0]["ready"] == json!(true),
            is_ending: pod["metadata"]["deletionTimestamp"].is_string(),
        })
        .collect()
    }

    /// Waits until as many pods are ready, and a container is not among theirs; nor one that is ending.
    pub(crate) async fn until_ready(&self, count: usize, gone: &str) -> Instant {
        until("the pods are ready", READY, async || {
            let pods = self.pods();
            let ready = pods.iter().filter(|pod| pod.is_ready && !pod.is_ending).count();
            let is_gone = pods.iter().all(|pod| pod.container != gone && !pod.is_ending);
            if ready == count && is_gone { Ok(Instant::now()) } else { Err(format!("{pods:?}")) }
        })
        .await
    }

    /// Waits until the API knows that a container does not run, or runs again as another.
    pub(crate) async fn until_noticed(&self, container: &str) -> Instant {
        until("the end of a container is known", READY, async || {
            let pods = self.pods();
            let runs = pods.iter().any(|pod| pod.container == container && pod.is_ready);
            if runs { Err(format!("{pods:?}")) } else { Ok(Instant::now()) }
        })
        .await
    }

    /// Ends the process of a container, as the kernel does when memory is short.
    pub(crate) fn kill(&self, container: &str) {
        let mut ctr = self.deployment.node.enter_wholly("ctr").unwrap();
        let output = ctr.args(["-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Imports the image, once.
fn import(node: &Node) {
    static IMPORTED: OnceLock<()> = OnceLock::new();
    IMPORTED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let few = folder.path().join("tools");
        std::fs::create_dir(&few).unwrap();
        for tool in TOOLS {
            let file = format!("{tool}.wasm");
            std::fs::copy(tools().join(&file), few.join(&file)).unwrap();
        }
        image(node, folder.path(), IMAGE, &few);
    });
}
