//! The cluster that is asked: 2,000 pods, and a namespace `shop` of thirty in which something is wrong.

use anyhow::Result;
use porthole_testbed::{
    accounts::{create, namespace, send},
    cluster::Cluster,
    fixtures::{self, now, write_log},
};
use serde_json::{Value, json};

const PODS: usize = 2000;
/// The pods of `shop`.
pub(super) const SHOP: [&str; 30] = [
    "api",
    "cart",
    "pay",
    "mail",
    "search",
    "thumbs",
    "worker-01",
    "worker-02",
    "worker-03",
    "worker-04",
    "worker-05",
    "worker-06",
    "worker-07",
    "worker-08",
    "worker-09",
    "worker-10",
    "worker-11",
    "worker-12",
    "worker-13",
    "worker-14",
    "worker-15",
    "worker-16",
    "worker-17",
    "worker-18",
    "worker-19",
    "worker-20",
    "web-1",
    "web-2",
    "web-3",
    "checkout-1",
];
const PLACE: &str = "/api/v1/namespaces/shop";

pub(super) async fn fill(cluster: &Cluster) -> Result<()> {
    eprintln!("filling a cluster with {PODS} pods and a shop of {}", SHOP.len());
    let client = cluster.admin().await?;
    fixtures::metrics_api(&client).await?;
    namespace(&client, "shop").await?;
    fixtures::node(&client, cluster.kubelet, "node-3").await?;
    for (at, name) in SHOP.iter().enumerate() {
        pod(&client, at, name).await?;
    }
    events(&client).await?;
    deployments(&client).await?;
    others(&client).await?;
    kinds(&client).await?;
    logs(cluster)?;
    fixtures::pods(cluster, PODS).await?;
    metrics(&client).await
}

async fn pod(client: &kube::Client, at: usize, name: &str) -> Result<()> {
    let image = match name {
        "cart" => "registry.example.com/shop/cart:2.0.1",
        "pay" => "registry.example.com/shop/pay:4.4.0",
        "mail" => "registry.example.com/shop/mail:1.0.9",
        name if name.starts_with("web") => "registry.example.com/shop/web:1.9.0",
        _ => "registry.example.com/shop/worker:3.2.1",
    };
    let node = if name == "thumbs" { "node-3".to_owned() } else { format!("load-{}", at % 4 + 1) };
    let pod = json!({
        "metadata": {"name": name, "labels": {"app": name.split('-').next(), "owner": "orders-team"}},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": image, "ports": [{"containerPort": 8080}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}]},
    });
    create(client, &format!("{PLACE}/pods"), &pod).await?;
    let ended = |reason: &str, code: u32| json!({"terminated": {"reason": reason, "exitCode": code, "startedAt": now(), "finishedAt": now()}});
    let (ready, restarts, state, last) = match name {
        "pay" => {
            let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=app pod=pay_shop"}});
            (false, 14, waiting, ended("Error", 2))
        }
        "cart" => (true, 3, json!({"running": {"startedAt": now()}}), ended("OOMKilled", 137)),
        "mail" => (false, 0, json!({"waiting": {"reason": "ContainerCreating"}}), json!({})),
        "web-2" | "web-3" | "checkout-1" => (false, 0, json!({"running": {"startedAt": now()}}), json!({})),
        _ => (true, 0, json!({"running": {"startedAt": now()}}), json!({})),
    };
    let condition = |ty: &str, on: bool| json!({"type": ty, "status": if on { "True" } else { "False" }, "lastTransitionTime": now()});
    let status = json!({"status": {
        "phase": if name == "mail" { "Pending" } else { "Running" }, "hostIP": "127.0.0.1", "podIP": format!("10.2.0.{}", at + 1), "startTime": now(),
        "conditions": [condition("Initialized", true), condition("Ready", ready), condition("ContainersReady", ready), condition("PodScheduled", true)],
        "containerStatuses": [{"name": "app", "ready": ready, "started": ready, "restartCount": restarts, "image": image,
            "imageID": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "containerID": "containerd://0123456789abcdef",
            "state": state, "lastState": last}],
    }});
    send(client, "PATCH", &format!("{PLACE}/pods/{name}/status"), &status).await?;
    Ok(())
}

/// Sixty, half of them warnings.
async fn events(client: &kube::Client) -> Result<()> {
    for n in 0..60 {
        let (object, reason, message) = match n {
            0 => (
                "worker-01",
                "FailedScheduling",
                "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient memory."
                    .to_owned(),
            ),
            2 => (
                "mail",
                "FailedMount",
                "MountVolume.SetUp failed for volume \"templates\" : configmap \"mail-templates\" not found"
                    .to_owned(),
            ),
            n if n % 2 == 0 => {
                ("pay", "BackOff", format!("Back-off restarting failed container app in pod pay_shop({n})"))
            }
            n => (SHOP[n % 25 + 1], "Pulled", format!("Container image already present on machine ({n})")),
        };
        let object = if object == "mail" && reason == "Pulled" { "worker-02" } else { object };
        let event = json!({
            "metadata": {"name": format!("event-{n}")}, "type": if n % 2 == 0 { "Warning" } else { "Normal" }, "reason": reason, "message": message,
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": object, "namespace": "shop"}, "count": 1,
            "firstTimestamp": now(), "lastTimestamp": now(), "source": {"component": "kubelet"},
        });
        create(client, &format!("{PLACE}/events"), &event).await?;
    }
    Ok(())
}

/// Ten, three of which are not complete; the rollout of one is stuck.
async fn deployments(client: &kube::Client) -> Result<()> {
    for name in ["web", "stock", "mailer", "api", "cart", "pay", "search", "thumbs", "worker", "checkout"] {
        let (wanted, ready) = match name {
            "web" => (3, 1),
            "stock" => (2, 0),
            "mailer" => (1, 0),
            _ => (2, 2),
        };
        let image = if name == "web" {
            "registry.example.com/shop/web:1.9.0".to_owned()
        } else {
            format!("registry.example.com/shop/{name}:3.2.1")
        };
        let deployment = json!({
            "metadata": {"name": name, "labels": {"app": name, "owner": "orders-team"}},
            "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": image, "ports": [{"containerPort": 8080}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}]}}},
        });
        let path = "/apis/apps/v1/namespaces/shop/deployments";
        create(client, path, &deployment).await?;
        let condition = |ty: &str, status: &str, reason: &str, message: &str| json!({"type": ty, "status": status, "reason": reason, "message": message, "lastUpdateTime": now(), "lastTransitionTime": now()});
        let (available, progressing) = if name == "web" {
            let stuck = "ReplicaSet \"web-7c9d5f6b49\" has timed out progressing.";
            (
                condition(
                    "Available",
                    "False",
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                ),
                condition("Progressing", "False", "ProgressDeadlineExceeded", stuck),
            )
        } else {
            (
                condition(
                    "Available",
                    "True",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                ),
                condition(
                    "Progressing",
                    "True",
                    "NewReplicaSetAvailable",
                    "ReplicaSet has successfully progressed.",
                ),
            )
        };
        let status = json!({"status": {"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": ready, "availableReplicas": ready,
            "unavailableReplicas": wanted - ready, "conditions": [available, progressing]}});
        send(client, "PATCH", &format!("{path}/{name}/status"), &status).await?;
    }
    Ok(())
}

/// A Service that reaches nothing, a ConfigMap with a long value, a Secret.
async fn others(client: &kube::Client) -> Result<()> {
    let service = json!({"metadata": {"name": "checkout"}, "spec": {"selector": {"app": "checkout"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    create(client, &format!("{PLACE}/services"), &service).await?;
    let slice = json!({"metadata": {"name": "checkout-abcde", "labels": {"kubernetes.io/service-name": "checkout"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.2.0.30"], "conditions": {"ready": false, "serving": false, "terminating": false}, "targetRef": {"kind": "Pod", "name": "checkout-1", "namespace": "shop"}}]});
    create(client, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", &slice).await?;
    let routes: Vec<Value> = (0..220).map(|n| json!({"path": format!("/products/{n}/details"), "service": format!("shop-{n}"), "port": 8080, "timeout": "5s"})).collect();
    let config = json!({"metadata": {"name": "app-cfg"}, "data": {"banner.html": "<h1>Sale</h1>", "log.level": "info", "routes.json": serde_json::to_string(&routes)?}});
    create(client, &format!("{PLACE}/configmaps"), &config).await?;
    let secret = json!({"metadata": {"name": "db"}, "type": "Opaque", "stringData": {"user": "shop", "password": "a long enough password"}});
    create(client, &format!("{PLACE}/secrets"), &secret).await
}

/// Forty custom kinds, three of them of the group that is asked for.
async fn kinds(client: &kube::Client) -> Result<()> {
    for n in 0..40 {
        let (kind, group) = match n {
            0 => ("Widget".to_owned(), "example.com".to_owned()),
            1 => ("Gadget".to_owned(), "example.com".to_owned()),
            2 => ("Sprocket".to_owned(), "example.com".to_owned()),
            n => (format!("Thing{n}"), format!("group-{}.example.org", n % 8)),
        };
        let plural = format!("{}s", kind.to_lowercase());
        let crd = json!({"metadata": {"name": format!("{plural}.{group}")}, "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
        create(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd).await?;
    }
    fixtures::served(client, "/apis/example.com/v1/sprockets").await
}

fn logs(cluster: &Cluster) -> Result<()> {
    let mut pay: String =
        (1..=117).map(|n| format!("INFO  settled payment {n} in {} ms\n", n % 17 + 3)).collect();
    pay.push_str("panic: ledger is closed\ngoroutine 1 [running]:\nmain.main()\n");
    write_log(cluster, "shop/pay/app.previous.log", &pay)?;
    let api: String = (1..=2000)
        .map(|n| match n {
            1511 => "ERROR order 777-X has no address\n".to_owned(),
            n => format!("INFO  GET /orders/{n} 200 {} ms\n", n % 40 + 2),
        })
        .collect();
    write_log(cluster, "shop/api/app.log", &api)
}

async fn metrics(client: &kube::Client) -> Result<()> {
    for n in 1..=4_u32 {
        let memory = if n == 3 { 12 } else { 2 + n };
        let node = json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": {"name": format!("load-{n}")}, "timestamp": now(), "window": "10s", "usage": {"cpu": format!("{}m", 300 + n), "memory": format!("{memory}Gi")}});
        create(client, "/apis/metrics.k8s.io/v1beta1/nodes", &node).await?;
    }
    for (at, name) in SHOP.iter().enumerate() {
        let cpu = if *name == "search" { 900 } else { 10 + at };
        let pod = json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": {"name": name}, "timestamp": now(), "window": "10s", "containers": [{"name": "app", "usage": {"cpu": format!("{cpu}m"), "memory": format!("{}Mi", 40 + at)}}]});
        create(client, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", &pod).await?;
    }
    Ok(())
}
