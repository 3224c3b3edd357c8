//! Add-ons of the node: policies are enforced, names are resolved, volumes are provided; and what Porthole's manifest
//! promises with them.

use std::time::Duration;

use serde_json::json;

use crate::{
    deployed::{Deployed, GUIDES, SOON},
    shell, until,
};

/// Maximum time until a pod that was created has ended.
const ENDED: Duration = Duration::from_secs(180);

/// Runs a command in a pod of a namespace to its end; true if it succeeded, and its output.
async fn in_a_pod(deployed: &Deployed, namespace: &str, name: &str, command: &str) -> (bool, String) {
    let node = &deployed.node;
    let run =
        ["run", name, "-n", namespace, "--image=busybox:1.36", "--restart=Never", "--", "sh", "-c", command];
    node.kubectl(&run).unwrap();
    let phase = until(&format!("{name} ends"), ENDED, async || {
        let phase =
            node.kubectl(&["get", "pod", name, "-n", namespace, "-o", "jsonpath={.status.phase}"]).unwrap();
        if ["Succeeded", "Failed"].contains(&phase.as_str()) { Ok(phase) } else { Err(phase) }
    })
    .await;
    (phase == "Succeeded", node.kubectl(&["logs", "-n", namespace, name]).unwrap())
}

/// Shell command that prints the answer to a request. The wget of Debian's static busybox needs files of glibc.
pub(crate) fn get(address: &str, port: u16, path: &str) -> String {
    // The input stays open for a while, because a server may take its end for that of the client.
    format!(
        r"{{ printf 'GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'; sleep 1; }} | nc -w 3 {address} {port}"
    )
}

/// Repeats a shell command until it succeeds: policies learn of a new pod's address after a second, and on a busy machine
/// an answer may come after the client's input has ended.
fn in_time(command: &str) -> String {
    format!("for attempt in $(seq 30); do {command} && exit; done; exit 1")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_manifest_opens_the_operators_port_to_labelled_namespaces_only() {
    let deployed = Deployed::get().await;
    shell(
        &deployed.node,
        "kubectl create namespace stranger
         kubectl create namespace monitoring
         kubectl label namespace monitoring porthole.dev/may-see-metrics=true",
    );
    let output = ["get", "pods", "-n", "mcp-tools", "-l", GUIDES, "-o", "jsonpath={.items[0].status.podIP}"];
    let address = deployed.node.kubectl(&output).unwrap();
    let metrics = format!("{} | grep porthole_calls_total", get(&address, 9090, "/metrics"));
    let (seen, text) = in_a_pod(deployed, "monitoring", "labelled", &in_time(&metrics)).await;
    assert!(seen, "{text}");
    let (seen, text) = in_a_pod(deployed, "stranger", "unlabelled", &metrics).await;
    assert!(!seen, "{text}");
    let open = format!("{} | grep '200 OK'", get(&address, 8080, "/healthz"));
    let (seen, text) = in_a_pod(deployed, "stranger", "client", &in_time(&open)).await;
    assert!(seen, "the port for clients is open to all: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_services_are_resolved_and_lead_to_their_pods() {
    let deployed = Deployed::get().await;
    let command = format!(
        "ip=$(nslookup web.shop.svc.cluster.local | sed -n '/^Name/,$ s/^Address: //p' | head -1)
        {} | grep '404 Not Found'",
        get("$ip", 80, "/")
    );
    let (resolved, text) = in_a_pod(deployed, "shop", "resolver", &in_time(&command)).await;
    assert!(resolved, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_a_class_gets_a_volume() {
    let deployed = Deployed::get().await;
    shell(
        &deployed.node,
        "kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: storage}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: storage}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer, namespace: storage}
spec:
  containers:
    - name: writer
      image: busybox:1.36
      command: [sh, -c, 'echo kept > /data/file; sleep 1000']
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
YAML
kubectl wait -n storage --for=condition=Ready pod/writer --timeout=180s",
    );
    let claim = deployed
        .call("resources_describe", json!({"kind": "pvc", "name": "data", "namespace": "storage"}))
        .await;
    assert!(claim.contains("Bound") && claim.contains("standard"), "{claim}");
    // Other tests may have claims, too.
    let volume = ["get", "pvc", "data", "-n", "storage", "-o", "jsonpath={.spec.volumeName}"];
    let volume = deployed.node.kubectl(&volume).unwrap();
    let file = deployed.node.folder().join("state/volumes").join(volume).join("file");
    // The container runs before its program has written anything.
    until("the file is in the volume", SOON, async || match std::fs::read_to_string(&file) {
        Ok(text) if text == "kept\n" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
