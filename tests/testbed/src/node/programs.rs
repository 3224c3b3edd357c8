//! Command lines of a node's programs.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{ADDRESS, Node, files::SERVICES, member::Member};

/// Address of etcd.
pub(super) const ETCD: &str = "127.0.0.1:2379";

/// Program of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Etcd,
    Containerd,
    ApiServer,
    Controllers,
    Scheduler,
    Kubelet,
    Proxy,
}

impl Program {
    const ALL: [Self; 7] = [
        Self::Etcd,
        Self::Containerd,
        Self::ApiServer,
        Self::Controllers,
        Self::Scheduler,
        Self::Kubelet,
        Self::Proxy,
    ];

    /// Program of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }

    /// Name of its process and of its log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Containerd => "containerd",
            Self::ApiServer => "kube-apiserver",
            Self::Controllers => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
        }
    }

    /// Path of its executable file.
    fn path(self, member: &Member) -> PathBuf {
        match self {
            Self::Etcd => member.cluster().join("etcd"),
            // Debian's, on the PATH.
            Self::Containerd => "containerd".into(),
            Self::ApiServer | Self::Controllers | Self::Scheduler | Self::Kubelet | Self::Proxy => {
                member.cluster().join("kubernetes")
            }
        }
    }

    fn arguments(self, member: &Member) -> Vec<String> {
        match self {
            Self::Etcd => etcd(),
            Self::Containerd => containerd(),
            Self::ApiServer => api_server(),
            Self::Controllers => controllers(),
            Self::Scheduler => scheduler(),
            Self::Kubelet => kubelet(member),
            Self::Proxy => proxy(member),
        }
    }

    /// File with its process id, as the node's namespace numbers processes.
    pub(super) fn process_file(self, folder: &Path) -> PathBuf {
        folder.join("state").join(format!("{}.pid", self.name()))
    }

    /// Starts it. Called within the namespaces of its Kubernetes node.
    pub(super) fn spawn(self, member: &Member) -> Result<Child> {
        let (folder, program) = (member.folder(), self.path(member).display().to_string());
        let child = spawn(&folder, self.name(), &program, &self.arguments(member))?;
        std::fs::write(self.process_file(&folder), child.id().to_string())?;
        Ok(child)
    }
}

/// Starts a program with the folder of its node as its working directory; its log is in the node's `/var/log`.
pub(super) fn spawn(folder: &Path, name: &str, program: &str, arguments: &[String]) -> Result<Child> {
    // One that is started again goes on with the log.
    let log =
        File::options().create(true).append(true).open(folder.join("log").join(format!("{name}.log")))?;
    Command::new(program)
        .arg0(name)
        .args(arguments)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {name}"))
}

fn etcd() -> Vec<String> {
    owned(&[
        "--data-dir=state/etcd",
        &format!("--listen-client-urls=http://{ETCD}"),
        &format!("--advertise-client-urls=http://{ETCD}"),
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ])
}

fn api_server() -> Vec<String> {
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

fn controllers() -> Vec<String> {
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

fn scheduler() -> Vec<String> {
    owned(&["--kubeconfig=scheduler.kubeconfig", "--leader-elect=false", "--secure-port=0"])
}

fn containerd() -> Vec<String> {
    owned(&["--config=containerd.toml"])
}

fn kubelet(member: &Member) -> Vec<String> {
    owned(&[
        "--config=kubelet.json",
        "--kubeconfig=kubelet.kubeconfig",
        &format!("--hostname-override={}", member.name()),
        // It refuses loopback.
        &format!("--node-ip={}", member.address()),
    ])
}

fn proxy(member: &Member) -> Vec<String> {
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
