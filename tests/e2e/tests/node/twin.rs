//! Deployments beside the guide's, so that other tests keep theirs.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use porthole_testbed::{
    dify::Dify,
    http::Way,
    node::{ADDRESS, NODE_NAME, Node},
    porthole::tools,
};
use serde_json::{Value, json};

use crate::{
    deployed::image,
    port, shell, until,
    visits::{Door, Visits},
};

/// Maximum time until a pod serves.
const READY: Duration = Duration::from_secs(120);
/// Time until every connection goes where the Service leads now: kube-proxy sums changes up for a second.
pub(crate) const SPREAD: Duration = Duration::from_secs(2);
/// Tools of the image: few, so that pods are ready within a second or two.
const TOOLS: [&str; 4] = ["namespaces_list", "nodes_log", "nodes_stats_summary", "pods_log"];
/// Name of the image.
const IMAGE: &str = "docker.io/library/porthole:days";

/// The guide's Deployment under another name and label, and a Service before it; deleted on drop.
pub(crate) struct Twin<'n> {
    node: &'n Node,
    name: &'static str,
    origin: String,
}

impl Drop for Twin<'_> {
    fn drop(&mut self) {
        let objects = ["deploy", "service"].map(|kind| format!("{kind}/{}", self.name));
        let _ = self.node.kubectl(&["delete", "-n", "mcp-tools", "--wait=false", &objects[0], &objects[1]]);
    }
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
        let port = port();
        let read = node.kubectl(&["get", "deploy", "porthole", "-n", "mcp-tools", "-o", "json"]).unwrap();
        let mut deployment: Value = serde_json::from_str(&read).unwrap();
        let labels = json!({"app": name});
        deployment["metadata"] = json!({"name": name, "namespace": "mcp-tools"});
        deployment["status"].take();
        let spec = &mut deployment["spec"];
        spec["replicas"] = replicas.into();
        spec["selector"] = json!({"matchLabels": labels});
        spec["template"]["metadata"] = json!({"labels": labels});
        let pod = &mut spec["template"]["spec"];
        pod["containers"][0]["image"] = IMAGE.into();
        // Where `kill` looks for its container.
        pod["nodeSelector"] = json!({"kubernetes.io/hostname": NODE_NAME});
        change(pod);
        let is_https = pod["containers"][0]["args"].to_string().contains("--tls-cert");
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "mcp-tools"}, "spec": {
            "type": "NodePort", "selector": labels, "sessionAffinity": "ClientIP",
            "ports": [{"port": 8080, "targetPort": "mcp", "nodePort": port}],
        }});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, list.to_string()).unwrap();
        let scheme = if is_https { "https" } else { "http" };
        let twin = Self { node, name, origin: format!("{scheme}://{ADDRESS}:{port}") };
        shell(node, &format!("kubectl apply --server-side -f {}", file.path().display()));
        twin.until_rolled_out();
        twin
    }

    pub(crate) fn until_rolled_out(&self) {
        let limit = READY.as_secs();
        shell(
            self.node,
            &format!("kubectl rollout status -n mcp-tools deploy/{} --timeout={limit}s", self.name),
        );
    }

    /// Its door for a reader, from one address.
    pub(crate) fn door(&self, token: &str) -> Door {
        Door { origin: self.origin.clone(), token: token.to_owned(), ways: vec![Way::default()] }
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

    pub(crate) fn pods(&self) -> Vec<Pod> {
        let selector = format!("app={}", self.name);
        let read = self.node.kubectl(&["get", "pods", "-n", "mcp-tools", "-l", &selector, "-o", "json"]);
        let list: Value = serde_json::from_str(&read.unwrap()).unwrap();
        let pods = list["items"].as_array().unwrap().iter();
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
        let mut ctr = self.node.enter_wholly("ctr").unwrap();
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
