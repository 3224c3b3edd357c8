//! Command lines of a node's programs.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{ADDRESS, Node, files::SERVICES, member::Member};

/// Address of etcd.
pub(super) const ETCD: &str = "127.0.0.1:2379";

/// Starts a program with the folder of its node as its working directory; its log is in the node's `/var/log`.
pub(super) fn spawn(folder: &Path, name: &str, program: &str, arguments: &[String]) -> Result<Child> {
    let log = File::create(folder.join("log").join(format!("{name}.log")))?;
    Command::new(program)
        .arg0(name)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {name}"))
}

pub(super) fn etcd() -> Vec<String> {
    owned(&[
        "--data-dir=state/etcd",
        &format!("--listen-client-urls=http://{ETCD}"),
        &format!("--advertise-client-urls=http://{ETCD}"),
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ])
}

pub(super) fn api_server() -> Vec<String> {
    owned(&[
        &format!("--etcd-servers=http://{ETCD}"),
        "--secure-port=6443",
        "--tls-cert-file=pki/api.crt",
        "--tls-private-key-file=pki/api.key",
        "--client-ca-file=pki/ca.crt",
        // The endpoint of the Service `kubernetes`, which pods must reach.
        &format!("--advertise-address={ADDRESS}"),
        &format!("--service-cluster-ip-range={SERVICES}"),
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-signing-key-file=pki/tokens.key",
        "--service-account-key-file=pki/tokens.pub",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--kubelet-client-certificate=pki/admin.crt",
        "--kubelet-client-key=pki/admin.key",
        "--kubelet-preferred-address-types=InternalIP",
        // The aggregation layer, behind which metrics-server is.
        "--requestheader-client-ca-file=pki/front-ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file=pki/front.crt",
        "--proxy-client-key-file=pki/front.key",
        "--enable-aggregator-routing=true",
    ])
}

pub(super) fn controllers() -> Vec<String> {
    owned(&[
        "--kubeconfig=controllers.kubeconfig",
        "--root-ca-file=pki/ca.crt",
        "--service-account-private-key-file=pki/tokens.key",
        "--cluster-signing-cert-file=pki/ca.crt",
        "--cluster-signing-key-file=pki/ca.key",
        // The controllers' roles are bound to their ServiceAccounts.
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    ])
}

pub(super) fn scheduler() -> Vec<String> {
    owned(&["--kubeconfig=scheduler.kubeconfig", "--leader-elect=false", "--secure-port=0"])
}

pub(super) fn containerd() -> Vec<String> {
    owned(&["--config=containerd.toml"])
}

pub(super) fn kubelet(member: &Member) -> Vec<String> {
    owned(&[
        "--config=kubelet.json",
        "--kubeconfig=kubelet.kubeconfig",
        &format!("--hostname-override={}", member.name()),
        // It refuses loopback.
        &format!("--node-ip={}", member.address()),
    ])
}

pub(super) fn proxy(member: &Member) -> Vec<String> {
    owned(&["--config=proxy.json", &format!("--hostname-override={}", member.name())])
}

/// Arguments of nsenter that start another Kubernetes node, in its network.
pub(super) fn further(node: &Node, member: &Member) -> Result<Vec<String>> {
    let mut arguments = vec![format!("--net=/run/netns/{}", member.name()), "--".to_owned()];
    arguments.push("unshare".to_owned());
    arguments.extend(owned(&super::NAMESPACES));
    arguments.push(std::env::current_exe()?.display().to_string());
    arguments.extend(own("init", node, member));
    Ok(arguments)
}

/// Arguments of this program, for a part of a node.
pub(super) fn own(command: &str, node: &Node, member: &Member) -> Vec<String> {
    owned(&["node", command, "--name", node.name(), "--number", &member.number().to_string()])
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}
