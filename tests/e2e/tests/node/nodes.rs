//! Two Kubernetes nodes: kubectl shows both, their pods reach each other and Services, policies hold on both, and both are read and visited.

use std::process::Command;

use porthole_testbed::{
    dify::Dify,
    node::{Node, address, name},
    prepared,
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    addons::get,
    deployed::{Deployed, SOON},
    shell, until,
};

/// A pod on every node, and a Service before them.
const WORKLOAD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: pair}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: pair}
spec:
  selector: {matchLabels: {app: pair}}
  template:
    metadata: {labels: {app: pair}}
    spec:
      containers:
        - name: web
          image: busybox:1.36
          command: [sh, -c, 'mkdir /www; echo served by $NODE > /www/index.html; echo started on $NODE; exec httpd -f -p 8080 -h /www']
          env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: pair}
spec:
  selector: {app: pair}
  ports: [{port: 80, targetPort: 8080}]
";

/// Nothing reaches the pods any more.
const CLOSED: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: pair}
spec: {podSelector: {}, policyTypes: [Ingress]}
";

/// A pod of the workload.
struct Pod {
    name: String,
    node: String,
    address: String,
}

static PODS: OnceCell<Vec<Pod>> = OnceCell::const_new();

/// Deploys the workload once; returns its pods, in the order of their nodes.
async fn pods(deployed: &Deployed) -> &'static [Pod] {
    let deploy = async || {
        shell(&deployed.node, &format!("kubectl apply -f - <<'YAML'\n{WORKLOAD}\nYAML"));
        let rolled = shell(
            &deployed.node,
            "kubectl rollout status -n pair ds/web --timeout=180s >&2
             kubectl get pods -n pair -l app=pair --sort-by=.spec.nodeName --no-headers \
               -o custom-columns=:.metadata.name,:.spec.nodeName,:.status.podIP",
        );
        let pod = |line: &str| {
            let columns: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let [name, node, address] = columns.try_into().unwrap();
            Pod { name, node, address }
        };
        rolled.lines().map(pod).collect()
    };
    let pods = PODS.get_or_init(deploy).await;
    let nodes: Vec<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    assert_eq!(nodes, [name(1), name(2)]);
    pods
}

/// Answer of an address to a pod; empty if there is none.
fn ask(deployed: &Deployed, from: &Pod, address: &str, port: u16) -> String {
    let command = format!("{} || true", get(address, port, "/"));
    deployed.node.kubectl(&["exec", "-n", "pair", &from.name, "--", "sh", "-c", &command]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_two_nodes_reach_each_other_and_services_until_a_policy_closes_them() {
    let deployed = Deployed::get().await;
    let pods = pods(deployed).await;
    let service =
        deployed.node.kubectl(&["get", "svc", "web", "-n", "pair", "-o", "jsonpath={.spec.clusterIP}"]);
    let service = service.unwrap();
    for from in pods {
        for to in pods {
            let served = format!("served by {}", to.node);
            for (what, address, port) in [("the pod", &to.address, 8080), ("the Service", &service, 80)] {
                until(&format!("{what} answers from {} to {}", to.node, from.node), SOON, async || {
                    let answer = ask(deployed, from, address, port);
                    if answer.contains(&served) { Ok(()) } else { Err(answer) }
                })
                .await;
            }
        }
    }
    shell(&deployed.node, &format!("kubectl apply -f - <<'YAML'\n{CLOSED}\nYAML"));
    for from in pods {
        // A pod reaches itself without its node.
        for to in pods.iter().filter(|to| to.name != from.name) {
            until(&format!("{} is closed to {}", to.node, from.node), SOON, async || {
                let answer = ask(deployed, from, &to.address, 8080);
                if answer.is_empty() { Ok(()) } else { Err(answer) }
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dify_visits_at_the_port_of_either_node() {
    let deployed = Deployed::get().await;
    for number in [1, 2] {
        let origin = format!("http://{}:30080", address(number));
        // Each node's proxy learns of the Service by itself.
        until(&format!("{origin} answers"), SOON, async || {
            let visit = Dify::visit(&origin, Some(&deployed.token), "namespaces_list", json!({})).await;
            let answer = visit.map_err(|error| format!("{error:#}"))?;
            if answer.contains("mcp-tools") { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_node_is_read_through_the_api_server() {
    let deployed = Deployed::get().await;
    let pod = &pods(deployed).await[1];
    let (first, second) = (name(1), name(2));
    for (tool, arguments, expected) in [
        ("nodes_list", json!({}), second.as_str()),
        ("nodes_top", json!({}), first.as_str()),
        ("nodes_top", json!({}), second.as_str()),
        ("nodes_log", json!({"name": second, "query": "/kube-proxy.log"}), r#"NodeIPs=["10.88.0.2"]"#),
        ("nodes_stats_summary", json!({"name": second}), &pod.name),
        ("pods_log", json!({"name": pod.name, "namespace": "pair"}), "started on node-2"),
    ] {
        let what = format!("{tool} shows {expected}");
        // The kubelet measures a new pod after seconds.
        until(&what, SOON, async || {
            let answer = deployed.call(tool, arguments.clone()).await;
            if answer.contains(expected) { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}

#[test]
fn kubectl_is_the_admins_of_the_node_that_runs() {
    let kubectl = |node: &str| {
        let mut command = Command::new(prepared::path("PORTHOLE_TESTBED"));
        command.args([
            "kubectl",
            "--folder",
            "/nonexistent",
            "--name",
            node,
            "--",
            "get",
            "nodes",
            "-o",
            "name",
        ]);
        let output = command.env("RUST_BACKTRACE", "0").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (_, shown, error) = kubectl(Node::for_tests().name());
    assert_eq!(shown, "node/node-1\nnode/node-2\n", "{error}");
    let (succeeded, _, error) = kubectl("no-such-node");
    assert!(!succeeded && error.contains("neither a node nor a cluster is running"), "{error}");
}
