//! The embedded cluster's shop beside the real thing: the same faults, once as its manifests tell them, and once as a
//! kubelet, a scheduler and controllers do.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use porthole_testbed::{node::Node, porthole::Demo};
use serde_json::{Map, Value, json};

use crate::{shell, until};

/// Maximum time until the faults show: the kubelet waits between attempts.
const SHOWN: Duration = Duration::from_secs(300);
/// Namespace of the faults on the node.
const HERE: &str = "demo";

/// A fault: the beginnings of its pod's name in the shop and on the node.
struct Fault {
    namespace: &'static str,
    shop: &'static str,
    node: &'static str,
}

const FAULTS: [Fault; 9] = [
    Fault { namespace: "shop", shop: "cart-5b8f7d9c64-", node: "cart-" },
    Fault { namespace: "shop", shop: "search-", node: "search-" },
    Fault { namespace: "shop", shop: "web-7c9d5f6b49-", node: "web-" },
    Fault { namespace: "shop", shop: "catalog-", node: "catalog-" },
    Fault { namespace: "shop", shop: "thumbnails", node: "thumbnails" },
    Fault { namespace: "payments", shop: "gateway-", node: "gateway-" },
    Fault { namespace: "payments", shop: "receipts-", node: "receipts-" },
    Fault { namespace: "payments", shop: "ledger-", node: "ledger-" },
    Fault { namespace: "payments", shop: "settlement-", node: "settlement-" },
];

/// Objects whose conditions are compared beside the pods': kind, and name in the shop and on the node. The others' differ
/// for a reason: web serves its old version in the shop, and gateway's deadline has not passed there.
const OWNERS: [(&str, &str, &str, &str); 4] = [
    ("Deployment", "shop", "catalog", "catalog"),
    ("Deployment", "payments", "receipts", "receipts"),
    ("Deployment", "payments", "ledger", "ledger"),
    ("Job", "payments", "settlement-29384700", "settlement"),
];

/// Objects and events of a namespace.
struct Cluster(Vec<Value>);

impl Cluster {
    fn read(node: &Node, kubeconfig: &Path, namespace: &str) -> Self {
        let output = Command::new(node.folder().join("kubectl"))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["get", "pods,deployments,jobs,pvc,events", "-o", "json", "-n", namespace])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut list: Value = serde_json::from_slice(&output.stdout).unwrap();
        Self(serde_json::from_value(list["items"].take()).unwrap())
    }

    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    fn named(&self, kind: &str, name: &str) -> &Value {
        self.of(kind).find(|object| text(&object["metadata"]["name"]).starts_with(name)).unwrap()
    }

    /// Events about objects whose names begin with one of these, as far as two clusters can agree.
    fn events(&self, names: &[&str], masks: &Masks) -> BTreeSet<String> {
        let about = |event: &&Value| {
            let name = text(&event["involvedObject"]["name"]);
            names.iter().any(|beginning| name.starts_with(beginning))
        };
        let shown = |event: &Value| {
            let source = &event["source"]["component"];
            json!({
                "about": event["involvedObject"]["kind"],
                "part": event["involvedObject"]["fieldPath"],
                "type": event["type"],
                "reason": event["reason"],
                "message": masks.masked(text(&event["message"])),
                "source": if source.is_null() { &event["reportingComponent"] } else { source },
            })
            .to_string()
        };
        self.of("Event").filter(about).map(shown).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Texts that differ between two clusters in any case, and their replacements.
struct Masks(Vec<(String, &'static str)>);

impl Masks {
    /// Names, address and images of a pod.
    fn of(pod: &Value) -> Self {
        let containers = pod["spec"]["containers"].as_array().unwrap();
        let images = containers.iter().map(|container| (text(&container["image"]).to_owned(), "IMAGE"));
        // The images first: their names have the shop's namespaces in them.
        let mut masks: Vec<(String, &'static str)> = images.collect();
        masks.extend([
            (text(&pod["metadata"]["uid"]).to_owned(), "UID"),
            (text(&pod["metadata"]["name"]).to_owned(), "POD"),
            (text(&pod["metadata"]["ownerReferences"][0]["name"]).to_owned(), "OWNER"),
            (text(&pod["status"]["podIP"]).to_owned(), "ADDRESS"),
            (format!("{}/", text(&pod["metadata"]["namespace"])), "NAMESPACE/"),
            (format!("_{}(", text(&pod["metadata"]["namespace"])), "_NAMESPACE("),
        ]);
        masks.retain(|(from, _)| !from.is_empty());
        Self(masks)
    }

    fn masked(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (from, to) in &self.0 {
            message = message.replace(from, to);
        }
        // The rest is the registry's own message; the node reaches none.
        if let Some((kept, _)) = message.split_once("failed to resolve reference \"IMAGE\": ") {
            message = kept.to_owned();
        }
        let words: Vec<&str> =
            message.split(' ').map(|word| if is_figure(word) { "N" } else { word }).collect();
        // The node has no other node with a taint.
        words.join(" ").replace(" N node(s) had untolerated taint(s),", "")
    }
}

/// True for a number, a part of one such as `0/3`, or a duration such as `5m0s`; not for a status.
fn is_figure(word: &str) -> bool {
    let count = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let duration =
        word.ends_with('s') && word.bytes().all(|byte| byte.is_ascii_digit() || b"hms".contains(&byte));
    let part = word
        .split_once('/')
        .is_some_and(|(part, of)| part.parse::<u32>().is_ok() && of.parse::<u32>().is_ok());
    count || duration || part
}

/// Conditions of an object by their types.
fn conditions(object: &Value, masks: &Masks) -> Value {
    let mut shown = Map::new();
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let message = masks.masked(text(&condition["message"]));
        let told = json!({"status": condition["status"], "reason": condition["reason"], "message": message});
        shown.insert(text(&condition["type"]).to_owned(), told);
    }
    Value::Object(shown)
}

/// A real pod, whose containers that the kernel killed say so: containerd sees the end of a process and the kernel's word
/// of memory separately, and may tell the end first.
fn with_reason(mut pod: Value) -> Value {
    for container in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        for state in ["state", "lastState"] {
            let Some(ended) = container[state].get_mut("terminated") else { continue };
            if ended["reason"] == "Error" && ended["exitCode"] == 137 {
                ended["reason"] = json!("OOMKilled");
            }
        }
    }
    pod
}

/// Status of a pod, without times and identities.
fn status(pod: &Value, masks: &Masks) -> Value {
    let state = |state: &Value| {
        let mut shown = Map::new();
        for (name, fields) in state.as_object().into_iter().flatten() {
            let message = masks.masked(text(&fields["message"]));
            let told =
                json!({"reason": fields["reason"], "exitCode": fields["exitCode"], "message": message});
            shown.insert(name.clone(), told);
        }
        Value::Object(shown)
    };
    let mut containers = Map::new();
    for container in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
        let told = json!({
            "ready": container["ready"],
            "started": container["started"],
            "state": state(&container["state"]),
            "lastState": state(&container["lastState"]),
        });
        containers.insert(text(&container["name"]).to_owned(), told);
    }
    json!({"phase": pod["status"]["phase"], "conditions": conditions(pod, masks), "containers": containers})
}

/// Differences of the shop from the node, a line for each.
fn differences(shop: &Cluster, node: &Cluster, namespace: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, told: Value, real: Value| {
        if told != real {
            found.push(format!("{what}\n  shop {told}\n  node {real}"));
        }
    };
    for fault in FAULTS.iter().filter(|fault| fault.namespace == namespace) {
        let (told, real) = (shop.named("Pod", fault.shop), node.named("Pod", fault.node));
        let masks = (Masks::of(told), Masks::of(real));
        compare(fault.shop, status(told, &masks.0), status(&with_reason(real.clone()), &masks.1));
        // Deployments' and claims' events, too: their names begin as the pods' do.
        let workload = fault.node.trim_end_matches('-');
        let real = node.events(&[workload], &masks.1);
        // The shop keeps fewer: events are deleted after an hour.
        let told: Vec<String> =
            shop.events(&[fault.shop, workload], &masks.0).difference(&real).cloned().collect();
        let beside: Vec<&String> = real.iter().collect();
        if !told.is_empty() {
            compare(&format!("events of {}", fault.shop), json!(told), json!(beside));
        }
    }
    for (kind, _, of_shop, of_node) in OWNERS.iter().filter(|(_, of, ..)| *of == namespace) {
        let pods = (shop.named("Pod", &format!("{of_shop}-")), node.named("Pod", &format!("{of_node}-")));
        let told = conditions(shop.named(kind, of_shop), &Masks::of(pods.0));
        let real = conditions(node.named(kind, of_node), &Masks::of(pods.1));
        compare(of_shop, told, real);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_of_the_demo_says_what_a_real_kubelet_and_controllers_say() {
    let node = Node::for_tests();
    shell(&node, "kubectl apply --server-side -f tests/fixtures/demo-shop.yaml");
    shell(&node, "kubectl wait -n demo pod/thumbnails --for=condition=Ready --timeout=180s");
    shell(&node, "kubectl delete -n demo pod/thumbnails --wait=false");
    // No tools: the cluster alone is asked.
    let plugins = tempfile::tempdir().unwrap();
    let demo = Demo::with(None, plugins.path()).await.unwrap();
    let begun = Instant::now();
    for namespace in ["shop", "payments"] {
        let shop = Cluster::read(&node, &demo.kubeconfig, namespace);
        // A container that crashes is in other states in between: with another one running beside it, the kubelet says
        // that it waits when it looks at the pod again, as after a change of it.
        until(&format!("the node says what {namespace} says"), SHOWN, async || {
            let change = format!("looked={}", begun.elapsed().as_millis());
            node.kubectl(&["annotate", "pods", "-n", HERE, "-l", "app=cart", "--overwrite", &change])
                .unwrap();
            let found = differences(&shop, &Cluster::read(&node, &node.kubeconfig(), HERE), namespace);
            if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
        })
        .await;
    }
    let patch =
        r#"kubectl patch -n demo pod/thumbnails --type=merge -p '{"metadata": {"finalizers": null}}'"#;
    shell(&node, &format!("{patch}\nkubectl delete namespace demo --wait=false"));
}
