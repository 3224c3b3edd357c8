//! Answers of every tool on the embedded shop, as a model sees them: a snapshot for each tool and case.
//!
//! The layers run in this process, from the catalog to the embedded API server. After a change that is meant:
//! `INSTA_UPDATE=always cargo xtask test answers`, and review the diff of `snapshots/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop with a panic")]

#[path = "answers/masked.rs"]
mod masked;
#[path = "answers/names.rs"]
mod names;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_contract::Content;
use porthole_demo::EmbeddedCluster;
use porthole_guard::Guard;
use porthole_identity::{Authenticator, NO_PEER};
use porthole_sandbox::{Compiler, Engine};
use porthole_tools::{Answer, Audit, Call, Calls, Catalog, Loader, Settings};
use serde_json::{Value, json};

/// A call: tool, name of the case, arguments.
type Case = (&'static str, &'static str, Value);

fn cases() -> Vec<Case> {
    let (web, cart) = ("web-6d4f9c7b8d-k8pq2", "cart-5b8f7d9c64-mz7wl");
    vec![
        ("access_check", "may", json!({"verb": "get", "kind": "pods", "namespace": "shop"})),
        ("api_resources_list", "apps", json!({"group": "apps"})),
        ("changes", "cluster", json!({})),
        ("changes", "of_an_hour", json!({"since": "1h", "namespace": "shop"})),
        ("changes", "of_a_name", json!({"name": "gateway"})),
        ("changes", "nothing", json!({"name": "ledger-archive", "since": "5m"})),
        ("changes", "unknown_namespace", json!({"namespace": "shopp"})),
        ("changes", "malformed_time", json!({"since": "lately"})),
        ("configuration_view", "all", json!({})),
        ("deployments_list", "all", json!({})),
        (
            "deployments_list",
            "sorted_by_a_path",
            json!({"sortBy": "-spec.replicas", "fields": "spec.replicas"}),
        ),
        ("events_list", "shop", json!({"namespace": "shop"})),
        ("events_list", "of_a_workload", json!({"name": "deploy/cart", "namespace": "shop"})),
        ("events_list", "of_a_name", json!({"name": "data-cart-db-0", "namespace": "shop"})),
        ("helm_list", "all", json!({})),
        ("namespaces_list", "all", json!({})),
        ("nodes_get", "node", json!({"name": "node-1"})),
        ("nodes_get", "misspelt", json!({"name": "nod-1"})),
        ("nodes_list", "all", json!({})),
        ("nodes_log", "kubelet", json!({"name": "node-1", "query": "kubelet", "tailLines": 3})),
        ("nodes_stats_summary", "node", json!({"name": "node-1"})),
        ("nodes_top", "all", json!({})),
        ("pods_get", "pod", json!({"name": web, "namespace": "shop"})),
        (
            "pods_get",
            "fields",
            json!({"name": web, "namespace": "shop", "fields": "spec.containers[].image,status.phase"}),
        ),
        ("pods_get", "not_found", json!({"name": "webb", "namespace": "shop"})),
        ("pods_get", "wherever_it_is", json!({"name": web, "fields": "status.phase"})),
        ("pods_get", "nowhere", json!({"name": "web-6d4f9c7b8d-gone1"})),
        ("pods_get", "malformed_path", json!({"name": web, "namespace": "shop", "fields": "spec..x"})),
        ("pods_list", "all", json!({})),
        ("pods_list", "paged", json!({"limit": 2})),
        ("pods_list", "counts", json!({"output": "count"})),
        ("pods_list", "names", json!({"output": "names", "limit": 3})),
        ("pods_list", "json", json!({"output": "json", "fields": "status.phase", "limit": 2})),
        (
            "pods_list",
            "where",
            json!({"where": "status.phase!=Running,status.containerStatuses[].ready=false"}),
        ),
        ("pods_list", "where_no_such_field", json!({"where": "status.phsae=Running"})),
        ("pods_list", "unknown_output", json!({"output": "xml"})),
        ("pods_list", "unknown_argument", json!({"labels": "app=web"})),
        ("pods_list_in_namespace", "payments", json!({"namespace": "payments"})),
        ("pods_list_in_namespace", "unknown_namespace", json!({"namespace": "shopp"})),
        ("pods_log", "last_lines", json!({"name": web, "namespace": "shop", "tail": 5})),
        ("pods_log", "before_the_crash", json!({"name": cart, "namespace": "shop", "previous": true})),
        ("pods_log", "of_a_workload", json!({"name": "deployment/web", "namespace": "shop", "tail": 2})),
        ("pods_log", "search", json!({"name": web, "namespace": "shop", "grep": "get /", "exclude": "502"})),
        ("pods_log", "digest", json!({"name": web, "namespace": "shop", "output": "digest"})),
        ("pods_top", "shop", json!({"namespace": "shop"})),
        ("pods_top", "of_a_name", json!({"name": web})),
        ("pods_top", "by_memory", json!({"sortBy": "memory", "limit": 2})),
        ("projects_list", "all", json!({})),
        ("diagnose", "service", json!({"name": "checkout"})),
        ("diagnose", "namespace", json!({"namespace": "payments"})),
        ("diagnose", "cluster", json!({})),
        ("diagnose", "nothing", json!({"name": "orders"})),
        ("diagnose_custom", "built_in", json!({"kind": "deployment", "name": "web"})),
        ("diagnose_custom", "none", json!({})),
        ("find", "name", json!({"query": "cart"})),
        ("find", "image", json!({"query": "web:1.8"})),
        ("find", "nothing", json!({"query": "orders"})),
        ("resources_describe", "pod", json!({"kind": "Pod", "name": cart, "namespace": "shop"})),
        ("resources_describe", "workload", json!({"kind": "deploy", "name": "cart", "namespace": "shop"})),
        ("resources_describe", "of_a_node", json!({"kind": "node", "name": "node-1"})),
        ("resources_describe", "service", json!({"kind": "Service", "name": "web", "namespace": "shop"})),
        ("resources_explain", "field", json!({"kind": "Deployment", "field": "spec.replicas"})),
        ("resources_get", "deployment", json!({"kind": "Deployment", "name": "web", "namespace": "shop"})),
        ("resources_get", "secret", json!({"kind": "Secret", "name": "cart-db", "namespace": "shop"})),
        ("resources_list", "services", json!({"kind": "services", "namespace": "shop"})),
        (
            "resources_list",
            "where",
            json!({"kind": "services", "where": "spec.ports[].port<443,spec.selector.app!=web", "limit": 3}),
        ),
        ("resources_list", "unknown_kind", json!({"kind": "deploymint"})),
    ]
}

/// The folder of built tools.
fn tools() -> PathBuf {
    std::env::var_os("PORTHOLE_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist"), PathBuf::from)
}

/// More of everything than an answer has room for: containers, endpoints, pods that are not well, and an owner that is
/// gone.
fn crowd() -> String {
    let containers: Vec<_> = (0..12).map(|n| json!({"name": format!("c{n:02}"), "image": "x"})).collect();
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "gone", "uid": "1", "controller": true});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers},
        "metadata": {"name": "many", "namespace": "shop", "labels": {"app": "web"}, "ownerReferences": [owner]},
    });
    let endpoints: Vec<_> = (0..9)
        .map(|n| json!({"addresses": [format!("10.0.0.{n}")], "conditions": {"ready": true}}))
        .collect();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": "web"}},
        "metadata": {"name": "web", "namespace": "shop"},
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    [namespace, pod, service, slice].map(|object| object.to_string()).join("\n---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_has_no_room_for_is_said() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("crowd.yaml"), crowd()).unwrap();
    let cluster = EmbeddedCluster::start(Some(folder.path())).await.unwrap();
    let (calls, authenticator) = calls(&cluster).await;
    let caller = authenticator.authenticate(None, NO_PEER).await.unwrap();
    for (tool, arguments, expected) in [
        (
            "pods_log",
            json!({"name": "many", "namespace": "shop", "container": "*"}),
            "12 containers of many; 10 of 12 logs shown. Name a container for another.",
        ),
        (
            "resources_describe",
            json!({"kind": "Pod", "name": "many", "namespace": "shop"}),
            "owned by: ReplicaSet gone (not read: ",
        ),
        (
            "resources_describe",
            json!({"kind": "Service", "name": "web", "namespace": "shop"}),
            "10.0.0.4, … and 4 more)",
        ),
    ] {
        let Value::Object(arguments) = arguments else { panic!("{tool}: arguments are an object") };
        let call = Call { tool: tool.to_owned(), arguments, client: None, notes: None };
        let answer = text(calls.call(call, &caller).await.answer);
        assert!(answer.contains(expected), "{tool}: {answer}");
    }
}

/// The calls of a host that reads the shop with its own account.
async fn calls(cluster: &EmbeddedCluster) -> (Arc<Calls>, Arc<Authenticator>) {
    let source = Source::Text(cluster.kubeconfig());
    let cluster = Arc::new(Cluster::new(ApiServer::for_host(&source).await.unwrap()));
    let authenticator = Arc::new(Authenticator::host(None));
    (calls_of(catalog(tools()).await, cluster, Arc::clone(&authenticator), None), authenticator)
}

/// The tools of a folder.
async fn catalog(folder: PathBuf) -> Arc<Catalog> {
    let settings = Settings::default();
    let engine = Arc::new(Engine::new(2, settings.max_memory(), 1 << 30).unwrap());
    let compiler = Compiler::of_program(env!("CARGO_BIN_EXE_porthole").into());
    let catalog = Arc::new(Catalog::new(folder, Loader { engine, compiler, settings }));
    let loading = Arc::clone(&catalog);
    tokio::spawn(async move { loading.keep_loaded().await });
    catalog.first_scan().await;
    catalog
}

/// The calls of a host with a default namespace.
fn calls_of(
    catalog: Arc<Catalog>,
    cluster: Arc<Cluster>,
    authenticator: Arc<Authenticator>,
    default_namespace: Option<String>,
) -> Arc<Calls> {
    let guard = Guard::new(cluster, Arc::default()).with_default_namespace(default_namespace);
    Arc::new(Calls::new(catalog, Arc::new(guard), authenticator, Audit::Off))
}

fn text(answer: Answer) -> String {
    match answer {
        Answer::Outcome { content, structured } => {
            let texts = content.iter().map(|content| match content {
                Content::Text(text) => text.clone(),
                other => panic!("a tool of ours answers with text, not {other:?}"),
            });
            let structured = structured.map(|value| format!("\nstructured: {value}")).unwrap_or_default();
            texts.collect::<Vec<_>>().join("\n") + &structured
        }
        Answer::Error(error) => format!("ERROR: {error}"),
        Answer::Overlong { error, text } => format!("ERROR: {error}\n{text}"),
    }
}

/// Snapshots without what differs from run to run.
fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The shop's times are relative to its start, and its address is new each time.
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "[time]");
    settings.add_filter(r"\b(\d\d-\d\d )?\d\d:\d\d:\d\dZ", "[time]");
    settings.add_filter(r"\b(\d+[ywdhm]){1,2}\d*s?\b|\b\d+s\b", "[age]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "[address]");
    // A column is as wide as its widest age.
    settings.add_filter(r"(\S) {2,}", "$1  ");
    settings.add_filter(r"continue=\S+", "continue=[token]");
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_answers_as_its_snapshots_show() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cluster = EmbeddedCluster::start(None).await.unwrap();
    let (calls, authenticator) = calls(&cluster).await;
    let caller = authenticator.authenticate(None, NO_PEER).await.unwrap();
    let cases = cases();

    let served: BTreeSet<String> = calls.catalog().current().tools.keys().map(ToString::to_string).collect();
    let called: BTreeSet<String> = cases.iter().map(|(tool, ..)| (*tool).to_owned()).collect();
    assert_eq!(called, served, "every tool has a case; build them with: cargo xtask plugins");

    let mut settings = snapshots();
    let mut failed = Vec::new();
    for (tool, case, arguments) in cases {
        settings.set_description(format!("{tool} {arguments}"));
        let Value::Object(arguments) = arguments else { panic!("{tool}: arguments are an object") };
        let call = Call { tool: tool.to_owned(), arguments, client: None, notes: None };
        let answer = text(calls.call(call, &caller).await.answer);
        let name = format!("{tool}__{case}");
        let matches = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name.clone(), answer));
        }));
        if matches.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "other answers than the snapshots show: {failed:?}");
}
