//! Add-ons of a node: what a cluster has beside Kubernetes itself.
//!
//! CoreDNS and metrics-server are the real ones, as processes of the node. Small stand-ins enforce network policies and
//! provide volumes for the default StorageClass.

mod policies;
mod storage;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};

use super::{ADDRESS, Node, client, files::DNS, member::Member, start::ANSWER};
use crate::binaries::{Main, build_module, versioned_cache};

const COREDNS: &str = "1.15.0";
const METRICS_SERVER: &str = "0.9.0";

/// APIService of metrics-server.
const METRICS: &str = "v1beta1.metrics.k8s.io";

/// Only what a cluster needs of it.
const COREDNS_MAIN: &str = r#"package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	dnsserver.Directives = []string{"bind", "errors", "cache", "kubernetes"}
	coremain.Run()
}
"#;

/// Services, StorageClass and the metrics API; addresses are filled in.
const OBJECTS: &str = include_str!("addons/objects.yaml");

/// Programs of the add-ons.
pub(super) struct Addons {
    coredns: PathBuf,
    metrics_server: PathBuf,
}

impl Addons {
    /// Finds them in the cache, or builds them (6 minutes on 2 cores).
    pub(super) fn find_or_build() -> Result<Self> {
        let cache = versioned_cache();
        let coredns = cache.join(format!("coredns-{COREDNS}"));
        if !coredns.exists() {
            eprintln!("building CoreDNS {COREDNS} (about three minutes, once)");
            let module = format!("github.com/coredns/coredns@v{COREDNS}");
            build_module(&module, Main::Source(COREDNS_MAIN), &coredns).context("building CoreDNS")?;
        }
        let metrics_server = cache.join(format!("metrics-server-{METRICS_SERVER}"));
        if !metrics_server.exists() {
            eprintln!("building metrics-server {METRICS_SERVER} (about three minutes, once)");
            let module = format!("sigs.k8s.io/metrics-server@v{METRICS_SERVER}");
            let main = Main::Package("sigs.k8s.io/metrics-server/cmd/metrics-server");
            build_module(&module, main, &metrics_server).context("building metrics-server")?;
        }
        Ok(Self { coredns, metrics_server })
    }

    /// Writes what they need to the folder of a node. The file `Corefile` marks a node with add-ons.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        std::os::unix::fs::symlink(&self.coredns, folder.join("coredns"))?;
        std::os::unix::fs::symlink(&self.metrics_server, folder.join("metrics-server"))?;
        let kubeconfig = folder.join("admin.kubeconfig");
        let corefile = format!(
            ".:53 {{\n  bind {ADDRESS}\n  errors\n  cache 5\n  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {}\n    pods verified\n  }}\n}}\n",
            kubeconfig.display()
        );
        Ok(std::fs::write(folder.join("Corefile"), corefile)?)
    }
}

/// True if a node was started with add-ons.
pub(super) fn has_addons(folder: &Path) -> bool {
    folder.join("Corefile").exists()
}

pub(super) fn coredns() -> Vec<String> {
    vec!["-conf=Corefile".into()]
}

pub(super) fn metrics_server() -> Vec<String> {
    let kubeconfig = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"];
    let mut arguments = kubeconfig.map(|name| format!("--{name}=admin.kubeconfig")).to_vec();
    // The kubelet's certificate is its own.
    arguments.extend(
        [
            "--kubelet-insecure-tls",
            "--kubelet-use-node-status-port",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=10s",
            // It must be shorter than that.
            "--kubelet-request-timeout=5s",
            "--secure-port=4443",
            "--cert-dir=state/metrics-server",
        ]
        .map(str::to_owned),
    );
    arguments
}

/// Enforces network policies on a Kubernetes node, and on the first provides volumes, until it is killed. Runs within it.
pub async fn run(node: &Node, number: u8) -> Result<()> {
    let member = Member::new(node.folder(), number);
    let client = client(&member.folder().join("admin.kubeconfig")).await?;
    if !member.is_first() {
        return policies::enforce(&client).await;
    }
    let volumes = node.folder().join("state/volumes");
    futures::future::try_join(policies::enforce(&client), storage::provide(&client, &volumes)).await?;
    Ok(())
}

/// Creates the objects of the add-ons, and waits until metrics-server is reached by them.
pub(super) fn apply(node: &Node) -> Result<()> {
    let objects = OBJECTS.replace("$ADDRESS", ADDRESS).replace("$DNS", DNS);
    let mut kubectl = node.enter(node.folder().join("kubectl"))?;
    let mut kubectl = kubectl
        .arg("--kubeconfig")
        .arg(node.kubeconfig())
        .args(["apply", "--server-side", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    std::io::Write::write_all(&mut kubectl.stdin.take().context("no stdin")?, objects.as_bytes())?;
    ensure!(kubectl.wait()?.success(), "the objects of the add-ons are refused");
    let limit = format!("--timeout={}s", ANSWER.as_secs());
    node.kubectl(&["wait", "--for=condition=Available", &format!("apiservice/{METRICS}"), &limit])
        .with_context(|| format!("metrics-server does not answer:\n{}", node.last_words()))?;
    Ok(())
}
