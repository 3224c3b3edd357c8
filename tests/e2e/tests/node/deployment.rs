//! The guide's Deployment under another name, so that other tests keep theirs.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use porthole_testbed::node::{ADDRESS, Node};
use serde_json::{Value, json};

/// Port of the node for another Service. Tests run in parallel, so each takes its own.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(30_100);
    NEXT.fetch_add(1, Relaxed)
}

/// The guide's Deployment under another name and label, and a Service before it; deleted on drop.
pub(crate) struct Deployment<'n> {
    pub(crate) node: &'n Node,
    pub(crate) name: &'static str,
    pub(crate) namespace: &'static str,
    /// URL for clients.
    pub(crate) origin: String,
}

impl<'n> Deployment<'n> {
    /// Applies it in a namespace, with the pod that `change` makes of the guide's.
    pub(crate) fn apply(
        node: &'n Node,
        (name, namespace): (&'static str, &'static str),
        replicas: u32,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let read = node.kubectl(&["get", "deploy", "porthole", "-n", "mcp-tools", "-o", "json"]).unwrap();
        let mut deployment: Value = serde_json::from_str(&read).unwrap();
        let (labels, port) = (json!({"app": name}), port());
        deployment["metadata"] = json!({"name": name, "namespace": namespace});
        deployment["status"].take();
        let spec = &mut deployment["spec"];
        spec["replicas"] = replicas.into();
        spec["selector"] = json!({"matchLabels": labels});
        spec["template"]["metadata"] = json!({"labels": labels});
        let pod = &mut spec["template"]["spec"];
        change(pod);
        let is_https = pod["containers"][0]["args"].to_string().contains("--tls-cert");
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {
            "type": "NodePort", "selector": labels, "sessionAffinity": "ClientIP",
            "ports": [{"port": 8080, "targetPort": "mcp", "nodePort": port}],
        }});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, list.to_string()).unwrap();
        let scheme = if is_https { "https" } else { "http" };
        let applied = Self { node, name, namespace, origin: format!("{scheme}://{ADDRESS}:{port}") };
        node.kubectl(&["apply", "--server-side", "-f", &file.path().display().to_string()]).unwrap();
        applied
    }
}

impl Drop for Deployment<'_> {
    fn drop(&mut self) {
        let objects = ["deploy", "service"].map(|kind| format!("{kind}/{}", self.name));
        let arguments = ["delete", "-n", self.namespace, "--wait=false", &objects[0], &objects[1]];
        let _ = self.node.kubectl(&arguments);
    }
}
