//! Porthole on the node, as the guide deploys it.

use std::{path::Path, process::Command, time::Duration};

use porthole_e2e::root;
use porthole_testbed::{
    accounts,
    dify::Dify,
    http::send,
    node::{ADDRESS, Image, Node},
    porthole::{binary, number_of_tools, tools},
    prepared,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{shell, until};

/// Maximum time until the workloads of the fixture show their faults.
const STEADY: Duration = Duration::from_secs(240);
/// Maximum time until a new host has compiled every tool: its pod has a twentieth of a processor if others want it.
const LOADED: Duration = Duration::from_secs(240);
/// Maximum time until a change of the cluster has its effect.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// Label of the guide's pods; other tests have pods in the same namespace.
pub(crate) const GUIDES: &str = "app.kubernetes.io/name=porthole";

static DEPLOYED: OnceCell<Deployed> = OnceCell::const_new();

/// The node with Porthole and workloads on it.
pub(crate) struct Deployed {
    pub(crate) node: Node,
    /// URL for clients: the NodePort that the guide names.
    pub(crate) origin: String,
    /// Token of the reader's account, as the guide has it made.
    pub(crate) token: String,
}

impl Deployed {
    /// Deploys it once for all tests.
    pub(crate) async fn get() -> &'static Self {
        DEPLOYED.get_or_init(Self::deploy).await
    }

    async fn deploy() -> Self {
        let node = Node::for_tests();
        let folder = tempfile::tempdir().unwrap();
        image(&node, folder.path(), "docker.io/library/porthole:latest", &tools());
        shell(&node, "kubectl apply --server-side -f tests/fixtures/node.yaml");
        // The commands of deploy/dify/README.md are run as they are written.
        let guide = commands_of("deploy/dify/README.md");
        let printed = shell(&node, &guide[0]);
        let token = printed.lines().find_map(|line| line.strip_prefix("Bearer ")).unwrap().to_owned();
        accounts::remember(&token);
        shell(&node, "kubectl rollout status -n mcp-tools deploy/porthole --timeout=240s");
        // The two bindings that the manifest has as comments.
        let manifest = std::fs::read_to_string(root().join("deploy/kubernetes.yaml")).unwrap();
        for command in manifest.lines().filter_map(|line| line.strip_prefix("#   ")) {
            if command.starts_with("kubectl create clusterrolebinding") {
                shell(&node, command);
            }
        }
        let deployed = Self { node, origin: format!("http://{ADDRESS}:30080"), token };
        deployed.until_loaded().await;
        deployed.until_steady().await;
        deployed
    }

    /// Waits until every tool is served: a pod is ready after a minute of compiling, whatever is left.
    async fn until_loaded(&self) {
        until("every tool is served", LOADED, async || {
            let answer = send("GET", &format!("{}/readyz", self.origin), None, "").await;
            let body = answer.map_err(|error| error.to_string())?.body;
            let readiness: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
            let served = readiness["tools"].as_array().map_or(0, Vec::len);
            if served == number_of_tools() { Ok(()) } else { Err(body) }
        })
        .await;
    }

    /// Waits until the workloads show their faults, as kubectl words them.
    async fn until_steady(&self) {
        for (pod, statuses) in [
            ("web", &["Running"][..]),
            // Between two attempts the kubelet shows either.
            ("cart", &["CrashLoopBackOff", "Error"]),
            ("greedy", &["CrashLoopBackOff", "OOMKilled"]),
            ("picky", &["Pending"]),
        ] {
            until(&format!("{pod} is {statuses:?}"), STEADY, async || {
                let pods = self.node.kubectl(&["get", "pods", "-n", "shop", "--no-headers"]).unwrap();
                let shown = pods
                    .lines()
                    .any(|line| line.starts_with(pod) && statuses.iter().any(|status| line.contains(status)));
                if shown { Ok(()) } else { Err(pods) }
            })
            .await;
        }
        until("metrics-server has measured", STEADY, async || {
            let top = self.node.kubectl(&["top", "pods", "-n", "shop"]).map_err(|error| error.to_string())?;
            if top.contains("web") { Ok(()) } else { Err(top) }
        })
        .await;
        shell(&self.node, "kubectl rollout status -n shop deploy/web --timeout=180s");
        until("the kubelet reports that it waits", STEADY, async || {
            let events = self.node.kubectl(&["get", "events", "-n", "shop"]).unwrap();
            if events.contains("BackOff") { Ok(()) } else { Err(events) }
        })
        .await;
    }

    /// Answer to a call as Dify makes it.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> String {
        // Probes that are late on a busy machine may take the one pod out of its Service for a moment.
        until("the Service leads to the pod", SOON, async || {
            match Dify::visit(&self.origin, Some(&self.token), tool, arguments.clone()).await {
                Err(error) if format!("{error:#}").contains("client error (Connect)") => {
                    Err(format!("{error:#}"))
                }
                answer => Ok(answer.unwrap()),
            }
        })
        .await
    }

    /// Keeps the host's log, in which a later suite looks for tokens.
    pub(crate) fn keep_log(&self) {
        let log = self.node.kubectl(&["logs", "-n", "mcp-tools", "deploy/porthole"]).unwrap();
        assert!(log.contains("\"audit\""), "{log}");
        std::fs::write(prepared::path("PORTHOLE_TEST_LOGS").join("porthole-node.log"), log).unwrap();
    }

    /// Name of a pod in the namespace `shop`.
    pub(crate) fn pod(&self, beginning: &str) -> String {
        let names = self.node.kubectl(&["get", "pods", "-n", "shop", "-o", "name"]).unwrap();
        let mut names = names.lines().map(|name| name.trim_start_matches("pod/"));
        names.find(|name| name.starts_with(beginning)).unwrap().to_owned()
    }
}

/// Imports the image of the Dockerfile, whose steps the suite `image` compares with these, with the tools of a folder.
pub(crate) fn image(node: &Node, folder: &Path, name: &str, tools: &Path) {
    let files = folder.join("rootfs");
    let made = Command::new("sh")
        .arg(root().join("deploy/rootfs.sh"))
        .args([files.as_path(), &binary(), tools])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let image = Image {
        tags: &[name],
        entrypoint: &["/usr/local/bin/porthole"],
        user: "65532:65532",
        ..Image::default()
    };
    node.import(&files, &image).unwrap();
}

/// Blocks of shell commands in a document.
pub(crate) fn commands_of(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}
