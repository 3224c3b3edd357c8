//! A node that metrics-server has no metrics of.

use porthole_testbed::{http::Streamable, porthole::Demo};
use serde_json::json;

/// As kubectl does: a node whose kubelet does not answer is the one that is asked about.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_metrics_has_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = "apiVersion: v1
kind: Node
metadata: {name: quiet}
---
apiVersion: v1
kind: Node
metadata: {name: measured}
status: {allocatable: {cpu: '2', memory: 1000Mi}}
---
apiVersion: metrics.k8s.io/v1beta1
kind: NodeMetrics
metadata: {name: measured}
usage: {cpu: 13m, memory: 999Mi}
";
    std::fs::write(folder.path().join("nodes.yaml"), nodes).unwrap();
    let demo = Demo::start(Some(folder.path())).await.unwrap();
    let client = Streamable::new(&demo.host.origin, Some(&demo.token("admin")));
    let top = client.call("nodes_top", json!({})).await.unwrap();
    let rows: Vec<Vec<&str>> = top.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let unknown = "<unknown>";
    assert_eq!(
        rows,
        [["measured", "13m", "0%", "999Mi", "99%"], ["quiet", unknown, unknown, unknown, unknown]],
        "{top}"
    );
}
