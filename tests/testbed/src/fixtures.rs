//! Test objects: a small shop with faults, and pods by the thousand.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use porthole_demo::Shop;
use serde_json::{Value, json};

use crate::{
    accounts::{create, namespace, send},
    cluster::Cluster,
};

/// Maximum time until a custom resource is served that was defined, on a busy machine.
const SERVED: Duration = Duration::from_secs(60);
const METRICS: &str = include_str!("../../fixtures/metrics.yaml");
/// Concurrent requests while filling.
const MAX_CONCURRENT: usize = 16;

/// Creates the embedded cluster's shop in this one, with metrics and logs.
pub async fn shop(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin().await?;
    metrics_api(&client).await?;
    let shop = Shop::read()?;
    // Maps uids of the embedded cluster to the API server's: owner references contain them.
    let mut uids = BTreeMap::new();
    // The API server creates the Service `kubernetes` itself.
    let ours = |object: &&(String, Value)| object.1["metadata"]["name"] != "kubernetes";
    for (path, object) in shop.objects.iter().filter(ours) {
        put(&client, cluster.kubelet, path, object, &mut uids).await.with_context(|| object.to_string())?;
    }
    for (name, text) in &shop.logs {
        write_log(cluster, name, text)?;
    }
    Ok(())
}

/// Emulates metrics-server with custom resources.
pub async fn metrics_api(client: &kube::Client) -> Result<()> {
    apply(client, METRICS).await?;
    served(client, "/apis/metrics.k8s.io/v1beta1/nodes").await?;
    served(client, "/apis/metrics.k8s.io/v1beta1/pods").await
}

/// Creates one object of the shop, except for uid and age, which the API server assigns.
async fn put(
    client: &kube::Client,
    kubelet: u16,
    path: &str,
    object: &Value,
    uids: &mut BTreeMap<String, String>,
) -> Result<()> {
    let mut text = object.to_string();
    for (embedded, real) in uids.iter() {
        text = text.replace(embedded, real);
    }
    let mut object: Value = serde_json::from_str(&text)?;
    let metadata = object["metadata"].as_object_mut().context("no metadata")?;
    let uid = metadata.remove("uid");
    let deleted = metadata.remove("deletionTimestamp").is_some();
    metadata.retain(|field, _| !matches!(field.as_str(), "creationTimestamp" | "deletionGracePeriodSeconds"));
    let name = metadata["name"].as_str().context("no name")?.to_owned();
    if object["kind"] == "Node" {
        // Address of the kubelet stub.
        object["status"]["addresses"] = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
        object["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": kubelet}});
    }
    if object["kind"] == "Job" {
        // The API server generates the selector of a Job.
        object["spec"].as_object_mut().context("no spec")?.remove("selector");
    }
    create(client, path, &object).await?;
    if let Some(status) = object.get("status") {
        send(client, "PATCH", &format!("{path}/{name}/status"), &json!({"status": status})).await?;
    }
    let created =
        client.request::<Value>(http::Request::get(format!("{path}/{name}")).body(Vec::new())?).await?;
    if let (Some(embedded), Some(real)) =
        (uid.as_ref().and_then(Value::as_str), created["metadata"]["uid"].as_str())
    {
        uids.insert(embedded.to_owned(), real.to_owned());
    }
    if deleted {
        // The finalizer keeps the object in deletion.
        send(client, "DELETE", &format!("{path}/{name}"), &json!({})).await?;
    }
    Ok(())
}

/// Writes a log file for the kubelet stub: `<namespace>/<pod>/<file>`.
pub fn write_log(cluster: &Cluster, name: &str, text: &str) -> Result<()> {
    let path = cluster.folder.join("logs").join(name);
    std::fs::create_dir_all(path.parent().context("a log without a folder")?)?;
    std::fs::write(path, text)?;
    Ok(())
}

/// Waits until a custom resource is served.
pub async fn served(client: &kube::Client, path: &str) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = client.request_text(http::Request::get(path).body(Vec::new())?).await {
        ensure!(begun.elapsed() < SERVED, "{path} is not served after {SERVED:?}: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Creates a ready node, backed by the kubelet stub.
pub async fn node(client: &kube::Client, kubelet: u16, name: &str) -> Result<()> {
    let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "node-role.kubernetes.io/worker": ""}}});
    create(client, "/api/v1/nodes", &node).await?;
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status", "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
        "nodeInfo": {"kubeletVersion": "v1.36.3", "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.2.0",
            "kernelVersion": "6.12.0", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "Debian", "systemUUID": ""},
    }});
    send(client, "PATCH", &format!("/api/v1/nodes/{name}/status"), &status).await?;
    Ok(())
}

/// Current time in Kubernetes' format.
pub fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Creates every object of a multi-document YAML file, and writes its status if it has one.
pub async fn apply(client: &kube::Client, text: &str) -> Result<()> {
    for document in text.split("\n---\n").filter(|document| !document.trim().is_empty()) {
        let document = document.replace("$NOW", &now());
        let object: Value = serde_saphyr::from_str(&document).with_context(|| document.clone())?;
        let path = collection(&object)?;
        create(client, &path, &object).await.with_context(|| document.clone())?;
        if let Some(status) = object.get("status") {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            send(client, "PATCH", &format!("{path}/{name}/status"), &json!({"status": status})).await?;
        }
    }
    Ok(())
}

/// Collection path of an object.
fn collection(object: &Value) -> Result<String> {
    let api_version = object["apiVersion"].as_str().context("an object without apiVersion")?;
    let kind = object["kind"].as_str().context("an object without kind")?;
    let plural = format!("{}s", kind.to_lowercase());
    let prefix = if api_version.contains('/') { "apis" } else { "api" };
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/{prefix}/{api_version}/namespaces/{namespace}/{plural}"),
        None => format!("/{prefix}/{api_version}/{plural}"),
    })
}

/// Creates `count` running pods of two containers each, in the namespaces `load-1` to `load-5`, with 40 labels.
pub async fn pods(cluster: &Cluster, count: usize) -> Result<()> {
    more_pods(cluster, 0..count).await
}

/// As [`pods`], those of some numbers only.
pub async fn more_pods(cluster: &Cluster, numbers: Range<usize>) -> Result<()> {
    let client = cluster.admin().await?;
    for n in 1..=4 {
        node(&client, cluster.kubelet, &format!("load-{n}")).await?;
    }
    for n in 1..=5 {
        namespace(&client, &format!("load-{n}")).await?;
    }
    stream::iter(numbers).map(|n| pod(&client, n)).buffer_unordered(MAX_CONCURRENT).try_collect::<()>().await
}

async fn pod(client: &kube::Client, n: usize) -> Result<()> {
    let (namespace, app) = (format!("load-{}", n % 5 + 1), format!("app-{}", n % 40));
    let name = format!("{app}-{n:05}");
    let container = |name: &str, image: &str| {
        json!({"name": name, "image": image, "ports": [{"containerPort": 8080}],
            "env": [{"name": "MODE", "value": "production"}, {"name": "LEVEL", "value": "info"}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5}})
    };
    let pod = json!({
        "metadata": {"name": name, "labels": {"app": app, "tier": "backend", "release": "stable"}},
        "spec": {"nodeName": format!("load-{}", n % 4 + 1), "containers": [
            container("app", &format!("registry.example.com/team/{app}:1.4.2")),
            container("sidecar", "registry.example.com/mesh/proxy:0.9.1"),
        ]},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    create(client, &path, &pod).await?;
    let running = |name: &str| {
        json!({"name": name, "ready": true, "started": true, "restartCount": 0, "image": "x", "imageID": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "containerID": "containerd://0123456789abcdef", "state": {"running": {"startedAt": now()}}})
    };
    let condition = |ty: &str| json!({"type": ty, "status": "True", "lastTransitionTime": now()});
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    let status = json!({"status": {
        "phase": "Running", "hostIP": "127.0.0.1", "podIP": format!("10.1.{}.{}", n / 250, n % 250 + 1), "startTime": now(),
        "conditions": conditions,
        "containerStatuses": [running("app"), running("sidecar")],
    }});
    send(client, "PATCH", &format!("{path}/{name}/status"), &status).await?;
    Ok(())
}
