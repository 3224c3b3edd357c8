//! Deployments beside the guide's, so that other tests keep theirs.

use std::time::Duration;

use porthole_testbed::{dify::Dify, node::ADDRESS};
use serde_json::{Value, json};

use crate::{deployed::Deployed, port, until};

/// Maximum time until another deployment serves: its image is there, and it compiles what it serves.
const STARTED: Duration = Duration::from_secs(180);

/// The guide's Deployment under another name and label, with a Service before it.
pub(crate) struct Beside {
    deployed: &'static Deployed,
    name: &'static str,
    namespace: &'static str,
    /// URL for clients.
    pub(crate) origin: String,
}

impl Beside {
    /// Deploys it in a namespace, with the pod that `change` makes of the guide's.
    pub(crate) fn deploy(
        deployed: &'static Deployed,
        (name, namespace): (&'static str, &'static str),
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let (node, port) = (&deployed.node, port());
        let read = node.kubectl(&["get", "deploy", "porthole", "-n", "mcp-tools", "-o", "json"]).unwrap();
        let mut deployment: Value = serde_json::from_str(&read).unwrap();
        let labels = json!({"app": name});
        deployment["metadata"] = json!({"name": name, "namespace": namespace});
        deployment["status"].take();
        deployment["spec"]["selector"] = json!({"matchLabels": labels});
        deployment["spec"]["template"]["metadata"] = json!({"labels": labels});
        change(&mut deployment["spec"]["template"]["spec"]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {
            "type": "NodePort", "selector": labels, "sessionAffinity": "ClientIP",
            "ports": [{"port": 8080, "targetPort": "mcp", "nodePort": port}],
        }});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, list.to_string()).unwrap();
        node.kubectl(&["apply", "--server-side", "-f", &file.path().display().to_string()]).unwrap();
        Self { deployed, name, namespace, origin: format!("http://{ADDRESS}:{port}") }
    }

    /// Waits until a call is answered with this text.
    pub(crate) async fn until_answered(&self, tool: &str, text: &str) {
        until(&format!("{} answers {text}", self.name), STARTED, async || {
            let visit = Dify::visit(&self.origin, Some(&self.deployed.token), tool, json!({})).await;
            match visit {
                Ok(answer) if answer.contains(text) => Ok(()),
                Ok(other) => Err(other),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await;
    }

    /// Identity of its one pod.
    pub(crate) fn pod_uid(&self) -> String {
        let selector = format!("app={}", self.name);
        let path = "jsonpath={.items[0].metadata.uid}";
        let arguments = ["get", "pods", "-n", self.namespace, "-l", &selector, "-o", path];
        self.deployed.node.kubectl(&arguments).unwrap()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let objects = [format!("deploy/{}", self.name), format!("service/{}", self.name)];
        let arguments = ["delete", "-n", self.namespace, &objects[0], &objects[1], "--wait=false"];
        let _ = self.deployed.node.kubectl(&arguments);
    }
}
