//! A guard without a cluster, for tests of crates that must not depend on the cluster and read nothing.

use std::sync::Arc;

use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_guard::Guard;

/// Guard of a cluster that does not answer, with this default namespace.
///
/// # Panics
///
/// If the process cannot create a client.
#[expect(clippy::expect_used, reason = "only tests call it")]
pub async fn unreachable(namespace: &str) -> Guard {
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{}}}}], \
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}], \
         contexts: [{{name: c, context: {{cluster: c, user: u, namespace: {namespace}}}}}]}}"
    );
    let server = ApiServer::for_host(&Source::Text(kubeconfig)).await;
    let cluster = Cluster::new(server.expect("an address that nothing is behind is an address"));
    Guard::new(Arc::new(cluster), Arc::default())
}
