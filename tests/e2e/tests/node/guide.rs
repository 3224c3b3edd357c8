//! The guide of deploy/, beyond what deploys it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use porthole_e2e::root;
use porthole_testbed::{accounts, dify::Dify, http::send, node::Node};
use serde_json::json;

use crate::{
    deployed::{Deployed, GUIDES, SOON, commands_of},
    shell, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_never_expires_works_until_its_secret_is_deleted() {
    let deployed = Deployed::get().await;
    let command = &commands_of("deploy/dify/README.md")[1];
    // The controller writes the token into the Secret after that was created: until then the command prints none.
    let token = until("the token is printed", SOON, async || {
        let printed = shell(&deployed.node, command);
        let token = printed.lines().last().map(str::trim).filter(|token| token.starts_with("ey"));
        token.map(str::to_owned).ok_or_else(|| printed.clone())
    })
    .await;
    let token = token.as_str();
    accounts::remember(token);
    let visit = async || {
        let visit = Dify::visit(&deployed.origin, Some(token), "configuration_view", json!({}));
        visit.await.map_err(|error| error.to_string())
    };
    let answer = until("the token works", SOON, visit).await;
    assert!(answer.contains("system:serviceaccount:mcp-tools:k8s-mcp-server-sa"), "{answer}");
    shell(&deployed.node, "kubectl delete secret -n mcp-tools k8s-mcp-server-token");
    // An owner is remembered for a minute, so listing tools may work as long; reading does not.
    until("the token is refused", SOON, async || match visit().await {
        Err(refused) if refused.contains("401") => Ok(()),
        Ok(answer) if answer.starts_with("ERROR") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// A port that kubectl forwards; ended on drop.
struct Forwarded(Child);

impl Drop for Forwarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn forward(node: &Node) -> Forwarded {
    let child = Command::new(node.folder().join("kubectl"))
        .arg("--kubeconfig")
        .arg(node.kubeconfig())
        .args(["port-forward", "-n", "mcp-tools", "deploy/porthole", "9090"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Forwarded(child.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_page_opens_through_a_forwarded_port_to_whoever_has_the_right() {
    let deployed = Deployed::get().await;
    let guide = std::fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let commands: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("kubectl create") && line.contains("porthole-operator"))
        .collect();
    assert_eq!(commands.len(), 4, "account, role, binding, token");
    let printed = shell(&deployed.node, &commands.join("\n"));
    let operator = printed.lines().last().unwrap().trim();
    accounts::remember(operator);
    let _forwarded = forward(&deployed.node);
    let page = async |token: Option<&str>| {
        send("GET", "http://127.0.0.1:9090/", token, "").await.map_err(|error| error.to_string())
    };
    let anonymous = until("the port is forwarded", SOON, async || page(None).await).await;
    assert_eq!(anonymous.status, 401);
    let stranger = shell(&deployed.node, "kubectl create token default -n shop");
    accounts::remember(stranger.trim());
    assert_eq!(page(Some(stranger.trim())).await.unwrap().status, 403, "an account without the right");
    // The API server knows of a new binding after a moment.
    until("the page is shown", SOON, async || {
        let shown = page(Some(operator)).await?;
        if shown.status == 200 && shown.body.contains("diagnose") {
            Ok(())
        } else {
            Err(format!("{shown:?}"))
        }
    })
    .await;
    let metrics = send("GET", "http://127.0.0.1:9090/metrics", None, "").await.unwrap();
    assert!(metrics.body.contains("porthole_calls_total"), "{}", metrics.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_limit_of_the_manifest_is_the_kernels() {
    let deployed = Deployed::get().await;
    let output = [
        "-o",
        "jsonpath={.items[0].spec.nodeName} {.items[0].metadata.uid} {.items[0].status.containerStatuses[0].containerID}",
    ];
    let printed = deployed
        .node
        .kubectl(&[&["get", "pods", "-n", "mcp-tools", "-l", GUIDES], &output[..]].concat())
        .unwrap();
    let (pod, container) = printed.split_once(" containerd://").unwrap();
    let (node, uid) = pod.split_once(' ').unwrap();
    let group = group(&deployed.node.group(node).unwrap(), uid, container);
    let read = |names: [&str; 2]| -> u64 {
        let file = names.map(|name| group.join(name)).into_iter().find(|file| file.exists()).unwrap();
        std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
    };
    assert_eq!(read(["memory.max", "memory.limit_in_bytes"]), 512 << 20);
    let used = read(["memory.current", "memory.usage_in_bytes"]);
    eprintln!("Porthole's pod uses {} MiB of 512", used >> 20);
    assert!(used < 256 << 20, "{used} bytes after every tool was called");
}

/// Control group of a container.
fn group(node: &str, pod: &str, container: &str) -> PathBuf {
    let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
    let root = roots.iter().map(|root| Path::new(root).join(node)).find(|root| root.exists()).unwrap();
    let folder = root.join(format!("kubepods/burstable/pod{pod}/{container}"));
    assert!(folder.exists(), "{}", folder.display());
    folder
}
