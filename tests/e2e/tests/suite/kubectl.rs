//! The embedded cluster, tested with kubectl and compared with the real API server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use porthole_demo::Shop;
use porthole_testbed::{cluster::Cluster, porthole::Demo};
use serde_json::{Value, json};

use crate::reader;

/// Success of a kubectl command, and its output.
fn kubectl(kubeconfig: &Path, command: &str) -> (bool, String) {
    let mut kubectl = Command::new(Cluster::for_tests().kubectl);
    kubectl.arg("--kubeconfig").arg(kubeconfig).args(command.split_whitespace());
    // Without the cache of an earlier test, whose cluster had the same port.
    let cache = tempfile::tempdir().unwrap();
    let output = kubectl.arg("--cache-dir").arg(cache.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_works_against_the_embedded_cluster() {
    let demo = Demo::start(None).await.unwrap();
    let cart = "cart-5b8f7d9c64-mz7wl";
    for (command, expected) in [
        ("get pods -A", vec!["NAMESPACE", cart, "CrashLoopBackOff", "coredns-", "thumbnails"]),
        ("get pods -n shop -o wide", vec!["10.244.1.12", "node-1", "NOMINATED NODE"]),
        (
            "get deployment web -n shop -o yaml",
            vec!["kind: Deployment", "apiVersion: apps/v1", "ProgressDeadlineExceeded"],
        ),
        (
            "get pods -A -l app=web,pod-template-hash -o name",
            vec!["pod/web-6d4f9c7b8d-k8pq2", "pod/web-7c9d5f6b49-hq4n6"],
        ),
        ("get pods -A --field-selector spec.nodeName=node-3 --no-headers", vec!["thumbnails"]),
        (
            "get pods -A --chunk-size=3 -o json",
            vec![cart, "settlement-29384700-w8f5d", "web-7c9d5f6b49-hq4n6"],
        ),
        (
            "get all -n payments",
            vec![
                "pod/ledger-",
                "deployment.apps/gateway",
                "job.batch/settlement-29384700",
                "Failed",
                "cronjob.batch/settlement",
            ],
        ),
        ("get nodes -o wide", vec!["node-3", "control-plane", "containerd://2.2.0"]),
        ("get hpa,pdb,ing,sc,pvc -A", vec!["cpu: 42%/80%", "shop.example.com", "fast", "ledger-archive"]),
        ("get events -n shop", vec!["Readiness probe failed", "pod/cart-5b8f7d9c64-mz7wl"]),
        ("events -n payments", vec!["FailedScheduling", "0/3 nodes are available"]),
        (
            "describe pod cart-5b8f7d9c64-mz7wl -n shop",
            vec![
                "ReplicaSet/cart-5b8f7d9c64",
                "Controlled By:",
                "Exit Code:    1",
                "Back-off restarting failed container",
            ],
        ),
        ("describe pod thumbnails -n shop", vec!["Status:           Succeeded", "Exit Code:    0"]),
        (
            "describe deployment web -n shop",
            vec![
                "ProgressDeadlineExceeded",
                "web-7c9d5f6b49 (1/1 replicas created)",
                "Scaled up replica set",
            ],
        ),
        ("describe service checkout -n shop", vec!["app=checkout,version=v2", "Endpoints:"]),
        (
            "describe node node-3",
            vec![
                "node.kubernetes.io/disk-pressure:NoSchedule",
                "KubeletHasDiskPressure",
                "Non-terminated Pods:          (0 in total)",
                "EvictionThresholdMet",
            ],
        ),
        ("describe pvc ledger-archive -n payments", vec!["FailedBinding", "no storage class is set"]),
        ("describe job settlement-29384700 -n payments", vec!["0 Active", "1 Failed", "CronJob/settlement"]),
        ("logs cart-5b8f7d9c64-mz7wl -n shop --previous", vec!["panic: dial tcp: lookup carts-db"]),
        ("logs cart-5b8f7d9c64-mz7wl -n shop -c proxy --tail=1 --timestamps", vec!["Z proxy 0.9.1 is ready"]),
        ("logs deployment/web -n shop --tail=2", vec!["GET /"]),
        ("top nodes", vec!["node-1", "500m", "2048Mi"]),
        ("top pods -n shop --sort-by=memory", vec!["cart-db-0", "300m", "700Mi"]),
        ("api-resources", vec!["deployments", "deploy", "apps/v1", "NodeMetrics"]),
        ("explain pods.spec.nodeName", vec!["KIND:", "Pod", "nodeName", "string"]),
        ("explain deployments", vec!["GROUP:", "apps", "spec"]),
        ("auth can-i list secrets -A", vec!["yes\n"]),
        ("auth can-i --list -n shop", vec!["*.*"]),
        ("auth whoami", vec!["system:serviceaccount:mcp-tools:admin", "system:authenticated"]),
        ("version", vec!["v1.36.3"]),
    ] {
        let (succeeded, said) = kubectl(&demo.kubeconfig, command);
        assert!(succeeded, "kubectl {command}: {said}");
        for part in expected {
            assert!(said.contains(part), "kubectl {command}: no {part:?} in\n{said}");
        }
    }
    // The restarts, and the time since the last one, four minutes before the start of the host.
    let (_, pods) = kubectl(&demo.kubeconfig, "get pods -n shop");
    let restarts = regex::Regex::new(r" 14 \([0-9]+m([0-9]+s)? ago\)").unwrap();
    assert!(restarts.is_match(&pods), "{pods}");
    for (command, expected) in [
        ("delete pod thumbnails -n shop", "MethodNotAllowed"),
        ("create namespace more", "MethodNotAllowed"),
        ("label pod thumbnails -n shop a=b", "does not allow this method"),
        ("get pods -n shop --watch", "MethodNotAllowed"),
        ("get pod nope -n shop", r#"Error from server (NotFound): pods "nope" not found"#),
        (
            "logs receipts-65bf8d9c7d-c4m8z -n payments",
            "is waiting to start: trying and failing to pull image",
        ),
        ("get pods -A --field-selector spec.nothing=1", "field label not supported: spec.nothing"),
    ] {
        let (succeeded, said) = kubectl(&demo.kubeconfig, command);
        assert!(!succeeded && said.contains(expected), "kubectl {command}: no {expected:?} in\n{said}");
    }
}

/// Checks that the three accounts have the rights of their roles, and the API server's error texts.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_see_what_their_roles_say() {
    let demo = Demo::start(None).await.unwrap();
    for (account, command, expected) in [
        ("developer", "get pods -n shop", "cart-5b8f7d9c64-mz7wl"),
        ("developer", "auth can-i list pods -n shop", "yes\n"),
        ("developer", "auth can-i list pods -n payments", "no\n"),
        (
            "developer",
            "get pods -n payments",
            r#"pods is forbidden: User "system:serviceaccount:shop:developer" cannot list resource "pods" in API group "" in the namespace "payments""#,
        ),
        ("developer", "get secrets -n shop", "secrets is forbidden"),
        ("developer", "auth whoami", "system:serviceaccounts:shop"),
        (
            "nobody",
            "get deployments.apps web -n shop",
            r#"deployments.apps "web" is forbidden: User "system:serviceaccount:mcp-tools:nobody" cannot get resource "deployments" in API group "apps" in the namespace "shop""#,
        ),
        ("nobody", "api-resources", "deployments"),
    ] {
        let token = demo.token(account);
        let mut kubeconfig: Value =
            serde_json::from_slice(&std::fs::read(&demo.kubeconfig).unwrap()).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": token});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
        let (_, said) = kubectl(file.path(), command);
        assert!(said.contains(expected), "{account}: kubectl {command}: no {expected:?} in\n{said}");
    }
}

/// A list as the API server's table: columns, and rows by namespace and name.
async fn table(client: &kube::Client, path: &str) -> (Value, BTreeMap<String, Vec<Value>>) {
    let request = http::Request::get(path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table: Value = client.request(request.body(Vec::new()).unwrap()).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let rows = table["rows"].as_array().unwrap().iter().map(|row| {
        let metadata = &row["object"]["metadata"];
        let key = [&metadata["namespace"], &metadata["name"]]
            .map(|part| part.as_str().unwrap_or_default())
            .join("/");
        (key, row["cells"].as_array().unwrap().clone())
    });
    let rows = rows.collect();
    (columns.iter().map(|column| json!([column["name"], column["priority"]])).collect(), rows)
}

/// Columns that depend on an object's creation or node.
const DIFFERENT: [&str; 8] =
    ["Age", "Last Seen", "First Seen", "Last Schedule", "Created At", "Duration", "Internal-IP", "Selector"];

/// The real API server contains the same shop: it accepted every object, and prints it like the embedded cluster.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_tables_are_those_of_the_real_api_server() {
    let (cluster, _) = reader().await;
    let real = cluster.admin().await.unwrap();
    let demo = Demo::start(None).await.unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(&demo.kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let embedded = kube::Client::try_from(config).unwrap();
    let shop = Shop::read().unwrap();
    let mut collections = BTreeSet::new();
    let mut ours: BTreeSet<String> = BTreeSet::new();
    for (path, object) in &shop.objects {
        let metadata = &object["metadata"];
        ours.insert(
            [&metadata["namespace"], &metadata["name"]]
                .map(|part| part.as_str().unwrap_or_default())
                .join("/"),
        );
        let namespace = format!("namespaces/{}/", metadata["namespace"].as_str().unwrap_or("none"));
        collections.insert(path.replace(&namespace, ""));
    }
    assert!(collections.len() > 20, "{collections:?}");
    let uid = regex::Regex::new(r"\([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\)").unwrap();
    let mut compared = 0;
    for path in collections {
        let (columns, rows) = table(&embedded, &path).await;
        let (real_columns, real_rows) = table(&real, &path).await;
        assert_eq!(columns, real_columns, "{path}");
        for (key, cells) in rows.iter().filter(|(key, _)| ours.contains(*key)) {
            let real_cells =
                real_rows.get(key).unwrap_or_else(|| panic!("{path}: {key} is not in the real cluster"));
            for ((column, cell), real_cell) in columns.as_array().unwrap().iter().zip(cells).zip(real_cells) {
                let column = column[0].as_str().unwrap();
                // For example `14 (4m ago)`, and a message of the kubelet that ends with a pod's uid.
                let plain = |cell: &Value| {
                    let text = |text: &str| uid.replace(text.split(" (").next().unwrap(), "(UID)").into();
                    cell.as_str().map_or_else(|| cell.clone(), text)
                };
                if !DIFFERENT.contains(&column) {
                    assert_eq!(plain(cell), plain(real_cell), "{path} {key}: {column}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 400, "{compared} cells are not much of a shop");
}
