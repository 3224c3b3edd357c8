//! The host against a real API server. Run by `cargo xtask test`, which starts the cluster and builds the tools.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]

mod access;
mod admin;
mod approval;
mod canaries;
mod commands;
mod compiling;
mod contract;
mod deploy;
mod embedded;
mod kubectl;
mod lists;
mod peers;
mod pod_logs;
mod prompts;
mod rbac_random;
mod releases;
mod reload;
mod sandbox;
mod session;
mod stdio;
mod surface;
mod tools;

use std::time::{Duration, Instant};

use porthole_testbed::{
    accounts,
    cluster::Cluster,
    fixtures,
    http::Streamable,
    porthole::{Demo, Porthole},
};
use serde_json::{Value, json};

/// The tests' cluster, and a token of an account that may read everything but Secrets.
async fn reader() -> (Cluster, String) {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "tests").await.unwrap();
    let token = accounts::account(&client, "tests", "reader").await.unwrap();
    accounts::allow(&client, ("tests", "reader"), None, accounts::reader_rules()).await.unwrap();
    (cluster, token)
}

/// Waits until /readyz satisfies a condition, and returns it.
async fn until_ready(
    host: &Porthole,
    within: Duration,
    what: &str,
    condition: impl Fn(&Value) -> bool,
) -> Value {
    let begun = Instant::now();
    loop {
        let readiness = host.readiness().await.unwrap();
        if condition(&readiness) {
            return readiness;
        }
        assert!(begun.elapsed() < within, "{what}: {readiness}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A cluster with the shop, a host, and a token that may read it.
struct Stage {
    name: &'static str,
    host: Porthole,
    token: String,
    /// Version of Kubernetes.
    version: String,
}

impl Stage {
    fn client(&self) -> Streamable {
        Streamable::new(&self.host.origin, Some(&self.token))
    }
}

/// The same shop in a real API server and in the embedded cluster.
async fn stages() -> [Stage; 2] {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let version = cluster.admin().await.unwrap().apiserver_version().await.unwrap().git_version;
    let real = Stage { name: "real API server", host, token, version };
    let demo = Demo::start(None).await.unwrap();
    let token = demo.token("admin");
    let version = "v1.36.3".to_owned();
    [real, Stage { name: "embedded cluster", host: demo.host, token, version }]
}

/// Creates a pod with an endless log; returns the marker file that exists while it is read.
async fn endless_log(cluster: &Cluster, pod: &str) -> std::path::PathBuf {
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "endless").await.unwrap();
    let body = json!({"metadata": {"name": pod}, "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]}});
    accounts::create(&client, "/api/v1/namespaces/endless/pods", &body).await.unwrap();
    fixtures::write_log(cluster, &format!("endless/{pod}/app.endless"), "").unwrap();
    cluster.folder.join("logs/endless").join(pod).join("app.open")
}

/// Waits until a condition holds.
async fn until(what: &str, seconds: u64, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < seconds, "{what}: not after {seconds} s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
