//! Whole calls: from a POST to `/mcp` to its answer, through every layer, the caller's token passed through.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::header,
};
use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_contract::HostLimits;
use porthole_demo::{EmbeddedCluster, Role};
use porthole_guard::Guard;
use porthole_http::AllowedHosts;
use porthole_identity::Authenticator;
use porthole_mcp::{MainPort, Prompts};
use porthole_sandbox::{Compiler, Engine};
use porthole_tools::{Audit, Calls, Catalog, FailurePolicy, Loader, Settings};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    allocator::{Cost, counted, exclude_thread},
    limits::Measured,
    paths::{pod, secret},
};

/// Calls of which the cheapest counts: how an answer arrives in pieces, and what pools and tables grow by, is chance.
const CALLS: usize = 30;
/// Pods of the cluster.
const PODS: usize = 200;
/// Tools that are served: few, because each is compiled.
const TOOLS: [&str; 4] = ["namespaces_list", "pods_get", "pods_list", "resources_get"];
/// Maximum time until they are compiled.
const LOADED_WITHIN: Duration = Duration::from_secs(600);
/// Maximum size of an answer.
const MAX_ANSWER: usize = 1 << 20;

pub(crate) fn measure() -> Measured {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (manifests, served) = (folder.path().join("manifests"), folder.path().join("tools"));
    std::fs::create_dir(&manifests).unwrap();
    std::fs::create_dir(&served).unwrap();
    std::fs::write(manifests.join("objects.yaml"), objects()).unwrap();
    for tool in TOOLS {
        let file = format!("{tool}.wasm");
        std::fs::copy(tools().join(&file), served.join(&file)).unwrap();
    }
    // On threads of its own, which are not counted.
    let beside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(exclude_thread)
        .enable_all()
        .build()
        .unwrap();
    let serving = beside.spawn(async move { EmbeddedCluster::start(Some(&manifests)).await.unwrap() });
    let cluster = beside.block_on(serving).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(costs(&cluster, served))
}

/// Manifests: pods in four namespaces, and a Secret.
fn objects() -> String {
    let namespace = |n: usize| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("team-{n}")}});
    let secret = String::from_utf8(secret(40)).unwrap();
    let objects = (0..4).map(namespace).chain((0..PODS).map(pod)).map(|object| object.to_string());
    objects.chain([secret]).collect::<Vec<_>>().join("\n---\n")
}

async fn costs(cluster: &EmbeddedCluster, served: PathBuf) -> Measured {
    let token = &cluster.account(Role::Admin).unwrap().token;
    let routes = routes(&cluster.kubeconfig(), served).await;
    let call = |tool: &str, arguments: Value| ("tools/call", json!({"name": tool, "arguments": arguments}));
    let pod = json!({"name": "web-0000", "namespace": "team-0"});
    let secret = json!({"kind": "Secret", "name": "keys", "namespace": "team-0"});
    let requests = [
        ("call: tools/list", ("tools/list", json!({}))),
        ("call: namespaces_list", call("namespaces_list", json!({}))),
        ("call: pods_get", call("pods_get", pod)),
        ("call: pods_list of 200", call("pods_list", json!({}))),
        ("call: pods_list of 200, counted", call("pods_list", json!({"output": "count"}))),
        ("call: resources_get of a Secret", call("resources_get", secret)),
        ("call: arguments that do not fit", call("pods_get", json!({"nmae": "web-0000"}))),
    ];
    let mut measured = Measured::new();
    for (path, (method, params)) in requests {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut cheapest: Option<Cost> = None;
        for _ in 0..CALLS {
            let request = Request::post("/mcp")
                .header(header::HOST, "127.0.0.1:8080")
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::ACCEPT, "application/json, text/event-stream")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Body::from(message.clone()))
                .unwrap();
            let before = counted();
            let response = routes.clone().oneshot(request).await.unwrap();
            let body = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap();
            let cost = counted().since(before);
            let answer: Value = serde_json::from_slice(&body).unwrap();
            let is_error = answer
                .pointer("/result")
                .is_none_or(|result| result.is_null() || result.get("isError") == Some(&true.into()));
            assert_eq!(is_error, path.ends_with("do not fit"), "{path}: {answer}");
            cheapest = Some(cheapest.map_or(cost, |least| least.at_most(cost)));
        }
        measured.insert(path.to_owned(), cheapest.unwrap());
    }
    measured
}

/// Main port of a host that reads as its callers, audited to nowhere.
async fn routes(kubeconfig: &str, served: PathBuf) -> Router {
    let settings = Settings::default();
    let engine = Arc::new(Engine::new(2, settings.max_memory(), 1 << 30).unwrap());
    let compiler = Compiler::of_program(env!("CARGO_BIN_EXE_porthole").into());
    let catalog = Catalog::new(served, Loader { engine, compiler, settings });
    let source = Source::Text(kubeconfig.to_owned());
    let server = ApiServer::for_callers(&source, catalog.runtimes()).await.unwrap();
    let cluster = Arc::new(Cluster::new(server));
    let catalog = Arc::new(catalog);
    let loading = Arc::clone(&catalog);
    tokio::spawn(async move { loading.keep_loaded().await });
    // Not `first_scan`, which ends after a minute: on a busy machine a debug build compiles longer.
    let begun = Instant::now();
    while catalog.current().tools.len() < TOOLS.len() {
        let failures = &catalog.current().failures;
        assert!(begun.elapsed() < LOADED_WITHIN && failures.is_empty(), "tools are not served: {failures:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let authenticator = Arc::new(Authenticator::by_token(Arc::clone(&cluster)));
    let guard = Arc::new(Guard::new(cluster, Arc::default()));
    let audit = Audit::file(Path::new("/dev/null"), FailurePolicy::default()).unwrap();
    let calls = Arc::new(Calls::new(catalog, guard, Arc::clone(&authenticator), audit));
    let main_port = MainPort {
        calls,
        prompts: Arc::new(Prompts::default()),
        authenticator,
        hosts: AllowedHosts::new(([127, 0, 0, 1], 8080).into(), &[]),
        limits: HostLimits::default(),
        probes: Router::new(),
    };
    main_port.routes().0
}

/// The folder of built tools.
fn tools() -> PathBuf {
    std::env::var_os("PORTHOLE_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist"), PathBuf::from)
}
