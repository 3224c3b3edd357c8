//! Folder of a node: the configuration of its programs, and what they keep.
//!
//! | path | content |
//! |---|---|
//! | `init`, `init.log`, `ready` | process id and start time of the first process, its log, and a mark that everything is started |
//! | `log/` | `/var/log` of the node: the logs of pods, and of its own programs |
//! | `state/` | what the kubelet, containerd and etcd keep, and the process ids of the programs |
//! | `kernel/` | settings of the kernel as the kubelet wants to find them |
//! | `pki/`, `*.kubeconfig`, `*.json`, `cni/` | certificates and configuration |
//! | `node-2/` and so on | the same of a further Kubernetes node, but for what all share |

use std::{os::unix::fs::symlink, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    building::Programs,
    member::{Member, PODS},
    pki,
};

/// Addresses of Services.
pub(super) const SERVICES: &str = "10.96.0.0/16";
/// Address of the cluster's DNS.
pub(super) const DNS: &str = "10.96.0.10";
/// Image that holds a pod's namespaces.
pub(super) const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// Settings of the kernel that a kubelet changes, with the values that it wants. The node is shown them as files, and
/// the machine's stay as they are.
pub(super) const KERNEL: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Writes the folder of a node that has just been named, with this many Kubernetes nodes.
pub(super) fn write(folder: &Path, nodes: u8, name: &str, programs: &Programs) -> Result<()> {
    for part in ["state/etcd", "kernel"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    for (name, program) in
        [("kubernetes", &programs.kubernetes), ("etcd", &programs.etcd), ("kubectl", &programs.kubectl)]
    {
        symlink(program, folder.join(name))?;
    }
    for (setting, value) in KERNEL {
        std::fs::write(folder.join("kernel").join(setting.replace('/', ".")), format!("{value}\n"))?;
    }
    // Nobody answers there, so a lookup fails at once. Pods ask the cluster's DNS.
    std::fs::write(folder.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
    let members: Vec<Member> = (1..=nodes).map(|number| Member::new(folder, number)).collect();
    members.iter().try_for_each(|member| write_member(member, name))?;
    pki::write(folder, &members)
}

fn write_member(member: &Member, name: &str) -> Result<()> {
    let folder = member.folder();
    for part in ["log", "state/kubelet", "state/containerd", "cni"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    std::fs::write(folder.join("kubelet.json"), kubelet(member, name).to_string())?;
    std::fs::write(folder.join("proxy.json"), proxy(member).to_string())?;
    std::fs::write(folder.join("cni/10-node.conflist"), network(member).to_string())?;
    Ok(std::fs::write(folder.join("containerd.toml"), containerd(&folder))?)
}

fn kubelet(member: &Member, name: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // It refuses cgroups of version 1 unless told.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        // Two kubelets below one group would end each other's pods as orphans.
        "cgroupRoot": format!("/{}", member.group(name)),
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "address": member.address(),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": member.cluster().join("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        // The disk is the machine's: however full it is, no pod is to be evicted and no image deleted.
        "evictionHard": {"memory.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,
        // Of a log that is rotated the API serves the newest file. So that both can be seen, long logs stay whole on the
        // first node, and a further one rotates them at the kubelet's default.
        "containerLogMaxSize": if member.is_first() { "100Mi" } else { "10Mi" },
        "maxPods": 250,
        "volumePluginDir": "/var/lib/kubelet/plugins",
        "resolvConf": member.cluster().join("resolv.conf"),
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
    })
}

fn proxy(member: &Member) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": member.folder().join("proxy.kubeconfig")},
        "bindAddress": member.address(),
        "clusterCIDR": PODS,
        // The limits of connection tracking are the machine's.
        "conntrack": {"maxPerCore": 0, "min": 0},
    })
}

/// Each pod on a link of its own: on a bridge, an answer to a pod would not pass through what translated the request's
/// address, nor through network policies.
fn network(member: &Member) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "node",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": member.pods()}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }],
    })
}

fn containerd(folder: &Path) -> String {
    let cni = folder.join("cni");
    format!(
        r#"version = 2
[plugins."io.containerd.internal.v1.opt"]
 path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
 sandbox_image = "{PAUSE}"
 # Without CAP_SYS_RESOURCE runc would die of the pause container's negative score.
 restrict_oom_score_adj = true
 [plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = {cni:?}
"#
    )
}
