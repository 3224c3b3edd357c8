//! Objects to look at: a small shop with troubles, and pods by the thousand.

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::{
    accounts::{create, namespace, send},
    cluster::Cluster,
};

const SHOP: &str = include_str!("../fixtures/shop.yaml");
const METRICS: &str = include_str!("../fixtures/metrics.yaml");
/// Requests under way while filling.
const SIDE_BY_SIDE: usize = 16;

/// Puts the shop, its metrics and its logs into the cluster.
pub async fn shop(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin().await?;
    node(&client, cluster.kubelet, "node-1").await?;
    node(&client, cluster.kubelet, "node-2").await?;
    apply(&client, SHOP).await?;
    let crds = METRICS.split("\n---\n").take(2).collect::<Vec<_>>().join("\n---\n");
    apply(&client, &crds).await?;
    served(&client, "/apis/metrics.k8s.io/v1beta1/nodes").await?;
    served(&client, "/apis/metrics.k8s.io/v1beta1/pods").await?;
    apply(&client, &METRICS.split("\n---\n").skip(2).collect::<Vec<_>>().join("\n---\n")).await?;
    write_log(cluster, "shop", "web-1", "app.log", "starting\nlistening on 8080\nGET / 200\n")?;
    write_log(cluster, "shop", "cart-1", "app.log", "starting cart\nconnecting to db:5432\n")?;
    write_log(
        cluster,
        "shop",
        "cart-1",
        "app.previous.log",
        "starting cart\npanic: connection refused: db:5432\nexit\n",
    )?;
    write_log(cluster, "shop", "cart-1", "proxy.log", "proxy is ready\n")?;
    Ok(())
}

/// Writes a file for the kubelet stub to serve.
pub fn write_log(cluster: &Cluster, namespace: &str, pod: &str, file: &str, text: &str) -> Result<()> {
    let folder = cluster.folder.join("logs").join(namespace).join(pod);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(file), text)?;
    Ok(())
}

/// Waits until a custom resource is served.
async fn served(client: &kube::Client, path: &str) -> Result<()> {
    for _ in 0..200 {
        if client.request_text(http::Request::get(path).body(Vec::new())?).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    bail!("{path} is not served after 10 s")
}

async fn node(client: &kube::Client, kubelet: u16, name: &str) -> Result<()> {
    let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "node-role.kubernetes.io/worker": ""}}});
    create(client, "/api/v1/nodes", &node).await?;
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet}},
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status", "lastHeartbeatTime": now(), "lastTransitionTime": now()},
            {"type": "DiskPressure", "status": if name == "node-2" { "True" } else { "False" }, "lastHeartbeatTime": now(), "lastTransitionTime": now()},
        ],
        "images": [{"names": ["registry.k8s.io/pause:3.10"], "sizeBytes": 320_368}],
        "nodeInfo": {"kubeletVersion": "v1.36.3", "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.2.0",
            "kernelVersion": "6.12.0", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "Debian", "systemUUID": ""},
    }});
    send(client, "PATCH", &format!("/api/v1/nodes/{name}/status"), &status).await?;
    Ok(())
}

/// The time now, as Kubernetes writes it.
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Creates every object of a file of several YAML documents, and writes its status where it has one.
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

/// Where objects like this are created.
fn collection(object: &Value) -> Result<String> {
    let api_version = object["apiVersion"].as_str().context("an object without apiVersion")?;
    let kind = object["kind"].as_str().context("an object without kind")?;
    let plural = match kind {
        "NodeMetrics" => "nodes".to_owned(),
        "PodMetrics" => "pods".to_owned(),
        _ => format!("{}s", kind.to_lowercase()),
    };
    let prefix = if api_version.contains('/') { "apis" } else { "api" };
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/{prefix}/{api_version}/namespaces/{namespace}/{plural}"),
        None => format!("/{prefix}/{api_version}/{plural}"),
    })
}

/// `count` running pods of two containers each, over the namespaces `load-1` to `load-5` and 40 labels.
pub async fn pods(cluster: &Cluster, count: usize) -> Result<()> {
    let client = cluster.admin().await?;
    for n in 1..=4 {
        node(&client, cluster.kubelet, &format!("node-{n}")).await?;
    }
    for n in 1..=5 {
        namespace(&client, &format!("load-{n}")).await?;
    }
    stream::iter(0..count).map(|n| pod(&client, n)).buffer_unordered(SIDE_BY_SIDE).try_collect::<()>().await
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
        "spec": {"nodeName": format!("node-{}", n % 4 + 1), "containers": [
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
