//! Canaries in values that the operator masks: at named paths, and in environments (`redact.paths`, `redact.env`).

use std::time::{Duration, Instant};

use porthole_testbed::{accounts, cluster::Cluster, fixtures, http::Streamable, porthole::Porthole};
use serde_json::{Value, json};

use super::{
    places::Planted,
    search::Search,
    ways::{self, Call, Callers, search_all},
};

const NAMESPACE: &str = "masked-canaries";
/// Group of a kind whose table has columns over objects, lists and annotations.
const GROUP: &str = "canaries.example.com";
/// Every named path, in a whole group too, and environments.
const CONFIG: &str = "limits: {output: 1Mi}
redact:
  env: mask
  paths:
  - {kinds: [configmaps], paths: [data.password, \"data['app.properties']\"]}
  - {kinds: [pods], paths: ['spec.containers[].args']}
  - {kinds: [deployments], paths: ['spec.template.spec.containers[].args']}
  - {kinds: [vaults.canaries.example.com], paths: [spec.login.password, spec.pins]}
  - {kinds: ['*'], paths: [message]}
";
/// The same room for answers, without masks.
const UNMASKED: &str = "limits: {output: 1Mi}\n";
/// Paths that lead to what is masked.
const FIELDS: [&str; 6] = [
    "data",
    "spec",
    "spec.login",
    "spec.template.spec.containers[].env",
    "metadata.annotations",
    "message,note",
];
/// Kinds with canaries.
const KINDS: [&str; 8] = [
    "configmaps",
    "cronjobs",
    "deployments",
    "events",
    "events.events.k8s.io",
    "pods",
    "replicasets",
    "vaults.canaries.example.com",
];
/// Maximum time until a kind is served that was defined.
const SERVED: Duration = Duration::from_secs(30);

/// A value that JSON escapes, Go's for HTML too.
fn awkward(canary: &str) -> String {
    format!("\"<{canary}>&\\\n'")
}

/// Environment of a container, in which the name, a URL and a form each make one credential.
fn environment(planted: &Planted, of: &str) -> Value {
    let url = planted.canary(&format!("a URL in a variable of {of}"));
    let option = planted.canary(&format!("a password in a variable of {of}"));
    json!([
        {"name": "DB_PASSWORD", "value": awkward(&planted.canary(&format!("a variable of {of}")))},
        {"name": "DATABASE_URL", "value": format!("postgres://app:{url}@db/orders")},
        {"name": "OPTIONS", "value": format!("verbose=1 password={option}")},
    ])
}

/// Specification of a pod; with arguments, if those are masked in its kind.
fn pod(planted: &Planted, of: &str, has_arguments: bool) -> Value {
    let mut container = json!({"name": "app", "image": "x", "env": environment(planted, of)});
    if has_arguments {
        let pin = awkward(&planted.canary(&format!("an argument of {of}")));
        container["args"] = json!(["--pin", pin]);
    }
    let init =
        json!({"name": "init", "image": "x", "env": environment(planted, &format!("{of}, at its start"))});
    json!({"nodeName": "node-1", "restartPolicy": "OnFailure", "containers": [container], "initContainers": [init]})
}

/// Objects with a canary in each place that is masked, and the paths at which they are created.
fn objects(planted: &Planted) -> Vec<(String, Value)> {
    let at = |api: &str, plural: &str| format!("{api}/namespaces/{NAMESPACE}/{plural}");
    let value = |place: &str| awkward(&planted.canary(place));
    // Not `app`: tests of lists count the pods that have it.
    let labels = json!({"canaries": "masked"});
    let template = |of: &str, has_arguments: bool| {
        let mut spec = pod(planted, of, has_arguments);
        spec["restartPolicy"] = "Always".into();
        json!({"metadata": {"labels": labels}, "spec": spec})
    };
    let copy = json!({"kind": "ConfigMap", "data": {"password": value("a copy in an annotation")}});
    let map = json!({"metadata": {"name": "masked", "annotations": {"kapp.k14s.io/original": copy.to_string()}},
        "data": {"password": value("a key of a ConfigMap"), "app.properties": format!("pin={}", value("a file of a ConfigMap"))}});
    let workload = |of: &str, has_arguments: bool| {
        json!({"metadata": {"name": "masked", "labels": labels}, "spec": {"replicas": 0,
            "selector": {"matchLabels": labels}, "template": template(of, has_arguments)}})
    };
    let job = json!({"spec": {"template": {"spec": pod(planted, "a CronJob", false)}}});
    let cron = json!({"metadata": {"name": "masked"}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": job}});
    let single =
        json!({"metadata": {"name": "masked", "labels": labels}, "spec": pod(planted, "a pod", true)});
    let now = fixtures::now();
    let event = json!({"metadata": {"name": "masked"}, "type": "Warning", "reason": "Failed", "message": value("an event"),
        "firstTimestamp": now, "lastTimestamp": now, "count": 2,
        "involvedObject": {"kind": "Pod", "name": "masked", "namespace": NAMESPACE}});
    vec![
        (at("/api/v1", "configmaps"), map),
        (at("/api/v1", "pods"), single),
        (at("/apis/apps/v1", "deployments"), workload("a Deployment", true)),
        (at("/apis/apps/v1", "replicasets"), workload("a ReplicaSet", false)),
        (at("/apis/batch/v1", "cronjobs"), cron),
        (at("/api/v1", "events"), event),
        (at(&format!("/apis/{GROUP}/v1"), "vaults"), vault(planted)),
    ]
}

/// An object whose annotation repeats it, so that a column over all annotations holds its password escaped twice.
fn vault(planted: &Planted) -> Value {
    let environment = json!([
        {"name": "ROOT_PASSWORD", "value": awkward(&planted.canary("a variable of a Vault"))},
        format!("TOKEN={}", planted.canary("a variable of a Vault, in one text")),
    ]);
    let spec = json!({"login": {"user": "app", "password": awkward(&planted.canary("a password of a Vault"))},
        "pins": [planted.canary("a list of a Vault")], "env": environment});
    let copy = json!({"kind": "Vault", "spec": spec}).to_string();
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Vault",
        "metadata": {"name": "masked", "annotations": {"example.com/applied": copy}}, "spec": spec})
}

/// Defines the kind, and waits until it is served.
async fn define(client: &kube::Client) {
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let columns = [
        column("Login", ".spec.login"),
        column("Password", ".spec.login.password"),
        column("Pins", ".spec.pins"),
        column("Variable", ".spec.env[0].value"),
        column("Text", ".spec.env[1]"),
        column("Spec", ".spec"),
        column("Notes", ".metadata.annotations"),
    ];
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema, "additionalPrinterColumns": columns});
    let kind = json!({"metadata": {"name": format!("vaults.{GROUP}")}, "spec": {"group": GROUP, "scope": "Namespaced",
        "names": {"plural": "vaults", "singular": "vault", "kind": "Vault"}, "versions": [version]}});
    accounts::create(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &kind).await.unwrap();
    let begun = Instant::now();
    let list = format!("/apis/{GROUP}/v1/namespaces/{NAMESPACE}/vaults");
    while let Err(error) = client.request_text(http::Request::get(&list).body(Vec::new()).unwrap()).await {
        assert!(begun.elapsed() < SERVED, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn calls() -> Vec<Call> {
    let here = || json!({"namespace": NAMESPACE});
    let one = |kind: &str| json!({"kind": kind, "name": "masked", "namespace": NAMESPACE});
    let mut calls = vec![
        ("changes", json!({"namespace": NAMESPACE, "since": "365d"})),
        ("changes", one("deployments")),
        ("deployments_list", here()),
        ("diagnose", here()),
        ("diagnose", json!({"name": "masked", "namespace": NAMESPACE})),
        ("diagnose_custom", json!({"kind": format!("vaults.{GROUP}"), "namespace": NAMESPACE})),
        ("events_list", here()),
        ("find", json!({"query": "masked", "namespace": NAMESPACE})),
        ("pods_get", json!({"name": "masked", "namespace": NAMESPACE})),
        ("pods_list", json!({"fieldSelector": format!("metadata.namespace={NAMESPACE}")})),
        ("pods_list_in_namespace", here()),
    ];
    for kind in KINDS {
        calls.push(("resources_list", json!({"kind": kind, "namespace": NAMESPACE})));
        calls.extend([("resources_get", one(kind)), ("resources_describe", one(kind))]);
    }
    calls
}

/// The same calls find each canary where nothing is masked, in a table as JSON that was escaped twice.
async fn assert_found_unmasked(cluster: &Cluster, planted: &Planted, search: &Search, token: &str) {
    let host = Porthole::configured(&cluster.kubeconfig, UNMASKED).await.unwrap();
    let client = Streamable::new(&host.origin, Some(token));
    let mut shown = String::new();
    for kind in KINDS {
        let all = json!({"kind": kind, "namespace": NAMESPACE, "output": "json"});
        shown += &client.call("resources_list", all).await.unwrap();
    }
    let table = json!({"kind": KINDS[7], "namespace": NAMESPACE, "output": "wide"});
    let table = client.call("resources_list", table).await.unwrap();
    let canaries = planted.canaries.borrow();
    let (_, password) = canaries.iter().find(|(place, _)| place == "a password of a Vault").unwrap();
    for spelling in
        [format!("\"<{password}"), format!("\\\"\\u003c{password}"), format!("\\\\\\\"\\u003c{password}")]
    {
        assert!(table.contains(&spelling), "no {spelling} in {table}");
    }
    let found = search.find(shown.as_bytes()).join("\n");
    for (place, _) in canaries.iter() {
        assert!(found.contains(&format!("{place}, raw")), "no canary in {place}: {found}");
    }
}

/// Searches for them in all that leaves a host that masks.
#[expect(clippy::print_stdout, reason = "figures of the suite")]
pub(super) async fn search_all_ways() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, NAMESPACE).await.unwrap();
    let keeper = accounts::account(&client, NAMESPACE, "keeper").await.unwrap();
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, (NAMESPACE, "keeper"), None, rules).await.unwrap();
    let nobody = accounts::account(&client, NAMESPACE, "nobody").await.unwrap();
    define(&client).await;
    let planted = Planted::default();
    for (path, object) in objects(&planted) {
        accounts::send(&client, "POST", &path, &object).await.unwrap();
    }
    let search = Search::of(&planted.canaries.borrow());
    assert_found_unmasked(&cluster, &planted, &search, &keeper).await;

    let folder = tempfile::tempdir().unwrap();
    let host = ways::host(&cluster, CONFIG, folder.path()).await;
    let callers = Callers { keeper: &keeper, nobody: &nobody };
    let found = search_all(&search, host, folder.path(), callers, (&calls(), &FIELDS)).await;
    println!("masked canaries: {}, {found}", planted.canaries.borrow().len());
    assert!(found.leaks.is_empty(), "{} leaks:\n{}", found.leaks.len(), found.leaks.join("\n"));
    for mask in ["configured", "environment", "url password", "password", "copy of an object"] {
        assert!(found.shown.contains(&format!("<masked: {mask}>")), "nothing is masked as {mask}");
    }
}
