//! Kubernetes nodes of a testbed's node: the first shares its namespaces with the control plane, each further one has
//! namespaces of its own within them, as a machine of its own would.

use std::path::{Path, PathBuf};

use super::ADDRESS;

/// Addresses of the pods of all nodes.
pub(super) const PODS: &str = "10.89.0.0/16";
/// Maximum number of nodes; each takes 150 MB and the time of a containerd and a kubelet to start.
pub const MAX_NODES: u8 = 9;

/// One Kubernetes node.
pub(super) struct Member {
    number: u8,
    /// Folder of the whole.
    cluster: PathBuf,
}

impl Member {
    pub(super) fn new(cluster: &Path, number: u8) -> Self {
        Self { number, cluster: cluster.to_owned() }
    }

    /// Those that have a folder.
    pub(super) fn all(cluster: &Path) -> Vec<Self> {
        let all = (1..=MAX_NODES).map(|number| Self::new(cluster, number));
        all.take_while(|member| member.folder().exists()).collect()
    }

    pub(super) fn is_first(&self) -> bool {
        self.number == 1
    }

    pub(super) fn number(&self) -> u8 {
        self.number
    }

    pub(super) fn name(&self) -> String {
        name(self.number)
    }

    pub(super) fn address(&self) -> String {
        address(self.number)
    }

    /// Addresses of its pods.
    pub(super) fn pods(&self) -> String {
        format!("10.89.{}.0/24", self.number - 1)
    }

    /// Folder of the whole: programs, certificates.
    pub(super) fn cluster(&self) -> &Path {
        &self.cluster
    }

    /// Folder of this node: configuration, logs, state.
    pub(super) fn folder(&self) -> PathBuf {
        if self.is_first() { self.cluster.clone() } else { self.cluster.join(self.name()) }
    }

    /// URL of the API server, as reached from this node.
    pub(super) fn api_server(&self) -> String {
        let host = if self.is_first() { "127.0.0.1" } else { ADDRESS };
        format!("https://{host}:6443")
    }

    /// Name of its control group in a cluster of this name. No group's name may begin with another's: a kubelet measures
    /// every group whose name begins with that of its own.
    pub(super) fn group(&self, cluster: &str) -> String {
        let first = format!("porthole-{cluster}");
        if self.is_first() { first } else { format!("{}.{first}", self.name()) }
    }
}

/// Name of a node in Kubernetes.
pub fn name(number: u8) -> String {
    format!("node-{number}")
}

/// Address of a node, within the network of the first.
pub fn address(number: u8) -> String {
    format!("10.88.0.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_two_nodes_begin_differently() {
        let [one, two] = [1, 2].map(|number| Member::new(Path::new("/"), number).group("x"));
        assert_eq!((one.as_str(), two.as_str()), ("porthole-x", "node-2.porthole-x"));
        assert_eq!(address(1), ADDRESS);
    }
}
