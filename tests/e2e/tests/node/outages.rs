//! Outages of the node itself while Dify visits: on a node of its own, so that other tests keep theirs.

use std::{
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use porthole_testbed::{
    accounts,
    dify::Dify,
    node::{ADDRESS, Extent, NODE_NAME, Node, Program},
    prepared,
};
use serde_json::{Value, json};

use crate::{
    lifecycle::Stopped,
    shell,
    twin::{OPENED, Pod, SPREAD, Twin},
    until,
    visits::{Allowed, Door},
};

/// Variable that is set within the node's network.
const WITHIN: &str = "PORTHOLE_TEST_WITHIN";
/// Time for which a program hangs: longer than it takes a failing readiness probe to count, and shorter than it takes a
/// silent kubelet.
const HANGS: Duration = Duration::from_secs(8);
/// Maximum time until a program of the node serves again.
const AGAIN: Duration = Duration::from_secs(180);
/// Time of a call: shorter than by default, so that the test is short.
const CALL: Duration = Duration::from_secs(10);
/// Texts that a visit is told while the API server does not answer, while calls that wait for it hold every permit, while it
/// starts and knows no roles yet, and if the outage is longer than the minute for which a token's owner is remembered.
const OUTAGE: &[&str] = &[
    "the API server did not answer",
    "`timeout`",
    "calls of this account are open",
    "forbidden",
    "503 Service Unavailable",
];
/// Tools that ask the kubelet have less time than others.
const CONFIGURATION: &str = "denied: [secrets]
limits: {timeout: 10s}
tools:
  nodes_log: {limits: {timeout: 5s}}
  nodes_stats_summary: {limits: {timeout: 5s}}
  pods_log: {limits: {timeout: 5s}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_host_outlasts_its_api_server_its_kubelet_and_a_drain() {
    if std::env::var_os(WITHIN).is_some() {
        return days().await;
    }
    let name = format!("days-{}", std::process::id());
    let node = Stopped(Node::named(&name).unwrap());
    node.0.up(&prepared::path("PORTHOLE_TESTBED"), Extent::default()).unwrap();
    // Every node has the same address, so this test goes on as a process in the other's network.
    let mut again = node.0.enter(std::env::current_exe().unwrap()).unwrap();
    again.args(["--exact", "outages::a_host_outlasts_its_api_server_its_kubelet_and_a_drain", "--nocapture"]);
    again.env(WITHIN, "1").env("PORTHOLE_TEST_NODE", &name).stdin(Stdio::null()).stdout(Stdio::null());
    let status = tokio::task::spawn_blocking(move || again.status().unwrap()).await.unwrap();
    assert!(status.success(), "within the network of {name}: {status}");
}

/// A host on a node that nobody else uses.
struct Stage<'n> {
    node: &'n Node,
    twin: Twin<'n>,
    door: Door,
}

async fn days() {
    let node = Node::for_tests();
    let configuration = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&configuration, CONFIGURATION).unwrap();
    let token = shell(
        &node,
        &format!(
            "kubectl apply --server-side -f deploy/kubernetes.yaml >&2
             kubectl scale -n mcp-tools deploy/porthole --replicas=0 >&2
             kubectl create clusterrolebinding nodes --clusterrole=k8s-mcp-server-reader-nodes --serviceaccount=mcp-tools:k8s-mcp-server-sa >&2
             kubectl create configmap days -n mcp-tools --from-file=porthole.yaml={} >&2
             kubectl create token k8s-mcp-server-sa -n mcp-tools --duration=1h",
            configuration.path().display()
        ),
    );
    let token = token.trim();
    accounts::remember(token);
    let twin = Twin::create(&node, "days", 1, |pod| {
        // A probe that fails counts sooner, so that the test is short: after five seconds, of which a hang takes eight.
        pod["containers"][0]["readinessProbe"]["periodSeconds"] = 1.into();
        pod["containers"][0]["readinessProbe"]["failureThreshold"] = 5.into();
        pod["containers"][0]["readinessProbe"]["timeoutSeconds"] = 1.into();
        // Other tests keep the processors busy meanwhile. By the guide's request, a twentieth of one, the pod answered probes
        // too late, and the kubelet told its two changes at once as soon as the API server was back.
        pod["containers"][0]["resources"]["requests"]["cpu"] = "1".into();
        for volume in pod["volumes"].as_array_mut().unwrap() {
            if volume["name"] == "config" {
                volume["configMap"]["name"] = "days".into();
            }
        }
    })
    .await;
    let door = twin.door(token);
    let stage = Stage { node: &node, twin, door };
    stage.api_server_restarts().await;
    stage.api_server_hangs().await;
    stage.kubelet_hangs_and_ends().await;
    stage.node_drains().await;
}

impl Stage<'_> {
    async fn until_api_server_answers(&self) -> Instant {
        until("the API server answers", AGAIN, async || {
            let answered = self.node.kubectl(&["get", "--raw", "/readyz", "--request-timeout=2s"]);
            answered.map(|_| Instant::now()).map_err(|error| error.to_string())
        })
        .await
    }

    async fn api_server_restarts(&self) {
        let visits = self.twin.visits(&self.door).await;
        let from = Instant::now();
        self.node.signal(Program::ApiServer, "KILL").unwrap();
        visits.told(40).await;
        self.node.start_again(&prepared::path("PORTHOLE_TESTBED"), Program::ApiServer).unwrap();
        // Calls that have waited since the start may hold their permits as long.
        let to = self.until_api_server_answers().await + CALL;
        visits.answered(60).await;
        let report = visits.end().await;
        report.judge(
            "the API server killed and started again",
            &Allowed { told: vec![(from..to, OUTAGE)], ..Allowed::default() },
        );
        assert_eq!(report.broken(), 0, "sessions stay open");
    }

    async fn api_server_hangs(&self) {
        let visits = self.twin.visits(&self.door).await;
        let ready_since = self.twin.ready_since();
        let from = Instant::now();
        self.node.signal(Program::ApiServer, "STOP").unwrap();
        tokio::time::sleep(HANGS).await;
        self.node.signal(Program::ApiServer, "CONT").unwrap();
        let to = self.until_api_server_answers().await + CALL;
        visits.answered(100).await;
        let report = visits.end().await;
        assert_eq!(
            self.twin.ready_since(),
            ready_since,
            "an API server that hangs takes no pod out of its Service"
        );
        report.judge(
            "the API server hangs for 8 s",
            &Allowed { told: vec![(from..to, OUTAGE)], ..Allowed::default() },
        );
        assert_eq!(report.broken(), 0, "sessions stay open");
    }

    async fn kubelet_hangs_and_ends(&self) {
        let visits = self.twin.visits(&self.door).await;
        self.node.signal(Program::Kubelet, "STOP").unwrap();
        self.ask_the_kubelet("hangs", &["timeout"]).await;
        self.node.signal(Program::Kubelet, "KILL").unwrap();
        // The kernel closes its port after it has released its memory.
        until("the kubelet's port is closed", AGAIN, async || match TcpStream::connect((ADDRESS, 10_250)) {
            Ok(_) => Err("it is open".to_owned()),
            Err(_) => Ok(()),
        })
        .await;
        self.ask_the_kubelet("is gone", &["connection refused"]).await;
        let ready_since = self.twin.ready_since();
        let from = Instant::now();
        self.node.start_again(&prepared::path("PORTHOLE_TESTBED"), Program::Kubelet).unwrap();
        let pod = self.twin.pods()[0].name.clone();
        until("the kubelet answers", AGAIN, async || {
            let text = self.ask("pods_log", json!({"name": pod, "namespace": "mcp-tools"})).await;
            if text.contains("audit") { Ok(()) } else { Err(text) }
        })
        .await;
        visits.answered(100).await;
        let report = visits.end().await;
        // A kubelet that starts first says that its node is not ready. The node controller looks every five seconds; if it
        // does in that instant, it takes the node's pods out of their Services.
        let closed = if self.twin.ready_since() == ready_since { vec![] } else { vec![from..Instant::now()] };
        report.judge(
            "the kubelet hangs, is killed and started again",
            &Allowed { closed, ..Allowed::default() },
        );
        assert_eq!(report.broken(), 0, "sessions stay open");
    }

    async fn ask(&self, tool: &str, arguments: Value) -> String {
        Dify::visit(&self.door.origin, Some(&self.door.token), tool, arguments).await.unwrap()
    }

    /// Makes calls that need the kubelet, all at once; each is answered by an error with one of these texts.
    #[expect(clippy::print_stderr, reason = "figures of the suite")]
    async fn ask_the_kubelet(&self, state: &str, expected: &[&str]) {
        let pod = self.twin.pods()[0].name.clone();
        let calls = [
            ("pods_log", json!({"name": pod, "namespace": "mcp-tools"})),
            ("nodes_log", json!({"name": NODE_NAME, "query": "/kubelet.log"})),
            ("nodes_stats_summary", json!({"name": NODE_NAME})),
        ];
        let asked = calls.map(async |(tool, arguments)| {
            let begun = Instant::now();
            let text = self.ask(tool, arguments).await;
            eprintln!("the kubelet {state}: {tool} answers in {} ms: {text}", begun.elapsed().as_millis());
            (tool, text)
        });
        for (tool, text) in futures::future::join_all(asked).await {
            assert!(text.starts_with("ERROR"), "{tool}: {text}");
            assert!(expected.iter().any(|part| text.contains(part)), "{tool}: {text}");
        }
    }

    async fn node_drains(&self) {
        let pods = self.twin.pods();
        let budget =
            "kubectl create poddisruptionbudget days -n mcp-tools --selector=app=days --min-available=1";
        shell(self.node, budget);
        let names = |pods: &[Pod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
        let visits = self.twin.visits(&self.door).await;
        let drain = |limit: &str| {
            self.node.kubectl(&["drain", NODE_NAME, "--delete-emptydir-data", "--ignore-daemonsets", limit])
        };
        let kept = drain("--timeout=10s").unwrap_err().to_string();
        assert!(kept.contains("disruption budget"), "{kept}");
        assert_eq!(names(&self.twin.pods()), names(&pods), "the budget keeps the one pod");
        visits.answered(40).await;
        visits.end().await.judge("a drain that a disruption budget stops", &Allowed::default());

        let visits = self.twin.visits(&self.door).await;
        shell(self.node, "kubectl delete poddisruptionbudget days -n mcp-tools");
        let from = Instant::now();
        drain("--timeout=180s").unwrap();
        visits.refused(40).await;
        shell(self.node, &format!("kubectl uncordon {NODE_NAME}"));
        let to = self.twin.until_ready(1, &pods[0].container).await + SPREAD;
        visits.answered(60).await;
        let allowed =
            Allowed { closed: vec![from..to + OPENED], ending: vec![from..to], ..Allowed::default() };
        visits.end().await.judge("the one node drained, and opened again", &allowed);
    }
}
