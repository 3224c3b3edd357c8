//! Network policies, enforced by nft: a small stand-in for the network plugins that do.
//!
//! What a node sends to its own pods is never filtered, as with every plugin: it does not pass through `forward`.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::Request;
use serde_json::Value;

/// Time between two looks at the cluster.
const PERIOD: Duration = Duration::from_secs(1);

/// Enforces the policies of a cluster until it is killed.
pub(super) async fn enforce(client: &kube::Client) -> Result<()> {
    let mut current = String::new();
    loop {
        match Cluster::read(client).await.map(|cluster| rules(&cluster)) {
            Ok(rules) if rules != current => match load(&rules) {
                Ok(()) => current = rules,
                Err(error) => eprintln!("{error:#}\n{rules}"),
            },
            Ok(_) => {}
            Err(error) => eprintln!("{error:#}"),
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Replaces the rules in one step.
fn load(rules: &str) -> Result<()> {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
    nft.stdin.take().context("no stdin")?.write_all(rules.as_bytes())?;
    let status = nft.wait()?;
    ensure!(status.success(), "nft ended with {status}");
    Ok(())
}

/// Objects that policies depend on.
struct Cluster {
    policies: Vec<Value>,
    pods: Vec<Value>,
    namespaces: Vec<Value>,
}

impl Cluster {
    async fn read(client: &kube::Client) -> Result<Self> {
        let policies = list(client, "/apis/networking.k8s.io/v1/networkpolicies").await?;
        if policies.is_empty() {
            return Ok(Self { policies, pods: Vec::new(), namespaces: Vec::new() });
        }
        Ok(Self {
            policies,
            pods: list(client, "/api/v1/pods").await?,
            namespaces: list(client, "/api/v1/namespaces").await?,
        })
    }
}

/// Objects of a collection, from the API server's cache.
pub(super) async fn list(client: &kube::Client, path: &str) -> Result<Vec<Value>> {
    let request = Request::get(format!("{path}?resourceVersion=0")).body(Vec::new())?;
    let mut list: Value = client.request(request).await?;
    Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Direction of a connection, as seen from the pod that a policy selects.
#[derive(Clone, Copy)]
struct Direction {
    name: &'static str,
    rules: &'static str,
    peers: &'static str,
    own: &'static str,
    other: &'static str,
}

const INGRESS: Direction =
    Direction { name: "Ingress", rules: "ingress", peers: "from", own: "daddr", other: "saddr" };
const EGRESS: Direction =
    Direction { name: "Egress", rules: "egress", peers: "to", own: "saddr", other: "daddr" };

/// Script for nft with all policies. A chain for each isolated pod and direction returns what is allowed and drops the
/// rest, so that a connection must be allowed by both of its ends.
fn rules(cluster: &Cluster) -> String {
    let (mut chains, mut jumps) = (String::new(), String::new());
    let running = cluster.pods.iter().filter(|pod| address(pod).is_some());
    for (number, pod) in running.enumerate() {
        for direction in [INGRESS, EGRESS] {
            let policies: Vec<&Value> =
                cluster.policies.iter().filter(|policy| isolates(policy, pod, direction)).collect();
            if policies.is_empty() {
                continue;
            }
            let chain = format!("{}-{number}", direction.rules);
            let _ = writeln!(chains, "  chain {chain} {{");
            for policy in policies {
                for rule in array(&policy["spec"][direction.rules]) {
                    for line in allowed(cluster, policy, rule, pod, direction) {
                        let _ = writeln!(chains, "    {line} return");
                    }
                }
            }
            let _ = writeln!(chains, "    drop\n  }}");
            let own = address(pod).unwrap_or_default();
            let _ = writeln!(jumps, "    ip {} {own} jump {chain}", direction.own);
        }
    }
    let mut script = String::from("table ip policies {}\ndelete table ip policies\ntable ip policies {\n");
    script.push_str(&chains);
    // Pods of this node reach the node itself, and with it the API server, by `input`.
    for hook in ["forward", "input"] {
        let _ = writeln!(
            script,
            "  chain {hook} {{\n    type filter hook {hook} priority filter; policy accept;\n    ct state established,related accept\n{jumps}  }}"
        );
    }
    script.push_str("}\n");
    script
}

/// Conditions of nft, each of which allows what one rule of a policy allows.
fn allowed(
    cluster: &Cluster,
    policy: &Value,
    rule: &Value,
    pod: &Value,
    direction: Direction,
) -> Vec<String> {
    let peers = array(&rule[direction.peers]);
    // No peers are all peers.
    let mut addresses = vec![String::new()];
    if !peers.is_empty() {
        addresses = peers.iter().flat_map(|peer| addresses_of(cluster, policy, peer, direction)).collect();
        addresses = addresses.iter().map(|peer| format!("ip {} {peer}", direction.other)).collect();
    }
    let ports = array(&rule["ports"]);
    let mut conditions = vec![String::new()];
    if !ports.is_empty() {
        conditions = ports.iter().filter_map(|port| condition(port, pod)).collect();
    }
    let pairs = addresses.iter().flat_map(|address| conditions.iter().map(move |port| (address, port)));
    pairs.map(|(address, port)| format!("{address} {port}").trim().to_owned()).collect()
}

/// Addresses of a peer.
fn addresses_of(cluster: &Cluster, policy: &Value, peer: &Value, direction: Direction) -> Vec<String> {
    if let Some(range) = peer["ipBlock"]["cidr"].as_str() {
        let except: Vec<&str> = array(&peer["ipBlock"]["except"]).iter().filter_map(Value::as_str).collect();
        return match except.is_empty() {
            true => vec![range.to_owned()],
            // A second match of the same address narrows the first.
            false => vec![format!("{range} ip {} != {{ {} }}", direction.other, except.join(", "))],
        };
    }
    let own = &policy["metadata"]["namespace"];
    let in_namespace = |pod: &Value| match peer.get("namespaceSelector") {
        None => pod["metadata"]["namespace"] == *own,
        Some(selector) => cluster.namespaces.iter().any(|namespace| {
            namespace["metadata"]["name"] == pod["metadata"]["namespace"] && selects(selector, namespace)
        }),
    };
    let selected = |pod: &&Value| {
        in_namespace(pod) && peer.get("podSelector").is_none_or(|selector| selects(selector, pod))
    };
    cluster.pods.iter().filter(selected).filter_map(|pod| address(pod).map(str::to_owned)).collect()
}

/// Condition of nft for a port of a policy; none if it is a name that the pod does not have.
fn condition(port: &Value, pod: &Value) -> Option<String> {
    let protocol = port["protocol"].as_str().unwrap_or("TCP").to_lowercase();
    let number = match &port["port"] {
        Value::Null => return Some(format!("meta l4proto {protocol}")),
        Value::String(name) => {
            let containers = array(&pod["spec"]["containers"]).iter();
            let mut ports = containers.flat_map(|container| array(&container["ports"]));
            ports.find(|port| port["name"] == name.as_str())?["containerPort"].as_u64()?
        }
        other => other.as_u64()?,
    };
    Some(match port["endPort"].as_u64() {
        Some(end) => format!("{protocol} dport {number}-{end}"),
        None => format!("{protocol} dport {number}"),
    })
}

fn isolates(policy: &Value, pod: &Value, direction: Direction) -> bool {
    let spec = &policy["spec"];
    let types = array(&spec["policyTypes"]);
    policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && selects(&spec["podSelector"], pod)
        // The API server fills the types in.
        && types.iter().any(|name| name == direction.name)
}

/// True if a label selector fits an object.
fn selects(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let equal =
        selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value);
    equal
        && array(&selector["matchExpressions"]).iter().all(|expression| {
            let value = &labels[expression["key"].as_str().unwrap_or_default()];
            let listed = array(&expression["values"]).contains(value);
            match expression["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => !value.is_null(),
                _ => value.is_null(),
            }
        })
}

/// Address of a pod that has one of its own and has not ended.
fn address(pod: &Value) -> Option<&str> {
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if ended || pod["spec"]["hostNetwork"] == true {
        return None;
    }
    pod["status"]["podIP"].as_str()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, namespace: &str, address: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": address},
        })
    }

    fn of(spec: Value) -> String {
        let namespace = |name: &str| json!({"metadata": {"name": name, "labels": {"team": name}}});
        rules(&Cluster {
            policies: vec![json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec})],
            pods: vec![
                pod("web", "shop", "10.0.0.1"),
                pod("db", "shop", "10.0.0.2"),
                pod("spy", "other", "10.0.0.3"),
            ],
            namespaces: vec![namespace("shop"), namespace("other")],
        })
    }

    /// Lines of the chain of the first pod.
    fn chain(script: &str, direction: &str) -> Vec<String> {
        let start = format!("  chain {direction}-0 {{\n");
        let body = script.split(&start).nth(1).unwrap_or_default().split('}').next().unwrap_or_default();
        body.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn nothing_is_allowed_to_a_pod_that_a_policy_without_rules_selects() {
        let script = of(json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}));
        assert_eq!(chain(&script, "ingress"), ["drop"]);
        assert!(script.contains("ip daddr 10.0.0.1 jump ingress-0"));
        assert!(!script.contains("10.0.0.2") && !script.contains("egress"), "{script}");
    }

    #[test]
    fn peers_and_ports_are_both_demanded() {
        let script =
            of(json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"podSelector": {}}], "ports": [{"port": "http"}, {"port": 53, "protocol": "UDP"}]},
                {"from": [{"namespaceSelector": {"matchLabels": {"team": "other"}}}]},
                {"ports": [{"port": 1000, "endPort": 2000}]},
            ],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]}));
        assert_eq!(
            chain(&script, "ingress"),
            [
                "ip saddr 10.0.0.1 tcp dport 8080 return",
                "ip saddr 10.0.0.1 udp dport 53 return",
                "ip saddr 10.0.0.2 tcp dport 8080 return",
                "ip saddr 10.0.0.2 udp dport 53 return",
                "ip saddr 10.0.0.3 return",
                "tcp dport 1000-2000 return",
                "drop",
            ]
        );
        assert!(script.contains("ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16 } return"), "{script}");
    }

    #[test]
    fn expressions_select_as_the_api_server_does() {
        let object = json!({"metadata": {"labels": {"app": "web"}}});
        for (operator, values, expected) in [
            ("In", json!(["web"]), true),
            ("NotIn", json!(["web"]), false),
            ("Exists", json!([]), true),
            ("DoesNotExist", json!([]), false),
        ] {
            let selector =
                json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
            assert_eq!(selects(&selector, &object), expected, "{operator}");
        }
        assert!(selects(&json!({}), &object) && !selects(&json!({"matchLabels": {"app": "db"}}), &object));
    }
}
