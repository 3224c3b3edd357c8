//! Names that come without a namespace: where they are looked for, by whom, and what is answered of several.

use porthole_demo::Role;

use super::*;

/// Two namespaces that share names, and one that has others.
fn shared_names() -> String {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let pod = |namespace: &str, name: &str, state: Value| {
        let container = json!({"name": "app", "image": "app:1", "resources": {}});
        let status = json!({"name": "app", "image": "app:1", "imageID": "", "ready": state.get("running").is_some(), "restartCount": 0, "state": state});
        json!({
            "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]},
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "status": {"phase": "Running", "containerStatuses": [status]},
        })
    };
    let running = json!({"running": {"startedAt": "2026-11-24T10:00:00Z"}});
    let crashing = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "staging"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cart-7f-x2x7q"}}},
        "status": {"replicas": 1, "readyReplicas": 1},
    });
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"},
        "status": {"capacity": {"cpu": "4", "memory": "24632456Ki"}, "allocatable": {"cpu": "4", "memory": "24530056Ki"}},
    });
    let objects = [
        namespace("shop"),
        namespace("staging"),
        pod("shop", "web", running.clone()),
        pod("staging", "web", crashing),
        pod("staging", "cart-7f-x2x7q", running.clone()),
        pod("staging", "backup-28-a", running.clone()),
        pod("shop", "batch-1", running.clone()),
        pod("staging", "batch-2", running),
        deployment,
        node,
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
}

/// A cluster with [`shared_names`].
async fn cluster() -> (EmbeddedCluster, tempfile::TempDir) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("names.yaml"), shared_names()).unwrap();
    let log = folder.path().join("logs/staging/cart-7f-x2x7q");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(log.join("app.log"), "cart listens\n").unwrap();
    (EmbeddedCluster::start(Some(folder.path())).await.unwrap(), folder)
}

/// The cluster's kubeconfig, whose context names no namespace: as in a pod, none is preferred.
fn nameless(cluster: &EmbeddedCluster) -> Source {
    let mut kubeconfig: Value = serde_json::from_str(&cluster.kubeconfig()).unwrap();
    kubeconfig
        .pointer_mut("/contexts/0/context")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("namespace")
        .unwrap();
    Source::Text(kubeconfig.to_string())
}

/// The tools that take a name, which are all that these tests compile.
fn tools_by_name() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for tool in ["events_list", "pods_get", "pods_log", "resources_describe", "resources_get"] {
        let file = format!("{tool}.wasm");
        std::fs::copy(tools().join(&file), folder.path().join(&file)).unwrap();
    }
    folder
}

/// A call by a token, or as the host.
async fn answer(
    (calls, authenticator): &(Arc<Calls>, Arc<Authenticator>),
    token: Option<&str>,
    (tool, arguments): (&str, Value),
) -> String {
    let token = token.map(|token| porthole_contract::Token::parse(token).unwrap());
    let caller = authenticator.authenticate(token.as_ref(), NO_PEER).await.unwrap();
    let Value::Object(arguments) = arguments else { panic!("{tool}: arguments are an object") };
    let call = Call { tool: tool.to_owned(), arguments, client: None, notes: None };
    text(calls.call(call, &caller).await.answer)
}

/// Calls and the snapshots of their answers.
async fn check(
    host: &(Arc<Calls>, Arc<Authenticator>),
    token: Option<&str>,
    cases: Vec<(&str, &str, Value)>,
) {
    let mut settings = snapshots();
    settings.set_snapshot_path("../snapshots");
    for (name, tool, arguments) in cases {
        settings.set_description(format!("{tool} {arguments}"));
        let answer = answer(host, token, (tool, arguments)).await;
        settings.bind(|| insta::assert_snapshot!(format!("names__{name}"), answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_a_namespace_is_read_where_it_is_and_several_are_listed() {
    let (cluster, _folder) = cluster().await;
    let tools = tools_by_name();
    let catalog = catalog(tools.path().to_owned()).await;
    let host = |server: ApiServer, default_namespace: Option<&str>| {
        let authenticator = Arc::new(Authenticator::host(None));
        let (catalog, cluster) = (Arc::clone(&catalog), Arc::new(Cluster::new(server)));
        let default_namespace = default_namespace.map(str::to_owned);
        let calls = calls_of(catalog, cluster, Arc::clone(&authenticator), default_namespace);
        (calls, authenticator)
    };
    let server = async || ApiServer::for_host(&nameless(&cluster)).await.unwrap();
    read_everywhere(&host(server().await, None)).await;
    look_into_a_configured_namespace_first(&host(server().await, Some("shop"))).await;
    // So is the namespace of the kubeconfig's context.
    let context = cluster.kubeconfig().replace("\"namespace\":\"default\"", "\"namespace\":\"shop\"");
    let server = ApiServer::for_host(&Source::Text(context)).await.unwrap();
    look_into_a_configured_namespace_first(&host(server, None)).await;

    let server = ApiServer::for_callers(&nameless(&cluster), Vec::new()).await.unwrap();
    let of = Arc::new(Cluster::new(server));
    let authenticator = Arc::new(Authenticator::by_token(Arc::clone(&of)));
    let host = (calls_of(catalog, of, Arc::clone(&authenticator), None), authenticator);
    let token = |role: Role| cluster.account(role).unwrap().token.clone();
    read_in_known_namespaces(&host, &token(Role::Developer), &token(Role::Nobody)).await;
}

async fn read_everywhere(host: &(Arc<Calls>, Arc<Authenticator>)) {
    let cases = vec![
        ("one", "pods_get", json!({"name": "cart-7f-x2x7q"})),
        ("one_with_fields", "pods_get", json!({"name": "cart-7f-x2x7q", "fields": "status.phase"})),
        ("several", "pods_get", json!({"name": "web"})),
        ("none", "pods_get", json!({"name": "web-9"})),
        ("not_widened", "pods_get", json!({"name": "cart-7f-x2x7q", "namespace": "shop"})),
        ("described", "resources_describe", json!({"kind": "deploy", "name": "cart"})),
        (
            "of_another_kind",
            "resources_get",
            json!({"kind": "Deployment", "name": "cart", "fields": "spec.replicas"}),
        ),
        ("of_a_node", "resources_get", json!({"kind": "Node", "name": "node-1"})),
        ("of_no_node", "resources_get", json!({"kind": "Node", "name": "node-9"})),
        ("log_of_a_pod", "pods_log", json!({"name": "cart-7f-x2x7q"})),
        ("log_of_a_workload", "pods_log", json!({"name": "cart"})),
        ("log_of_a_named_workload", "pods_log", json!({"name": "deployment/cart"})),
        ("log_of_a_beginning", "pods_log", json!({"name": "backup"})),
        ("log_of_several", "pods_log", json!({"name": "web"})),
        ("log_of_several_beginnings", "pods_log", json!({"name": "batch"})),
        ("log_of_none", "pods_log", json!({"name": "carts"})),
        ("events", "events_list", json!({"name": "deploy/cart"})),
        ("events_of_several", "events_list", json!({"name": "web"})),
    ];
    check(host, None, cases).await;
}

async fn look_into_a_configured_namespace_first(host: &(Arc<Calls>, Arc<Authenticator>)) {
    for (name, namespace) in [("web", "shop"), ("cart-7f-x2x7q", "staging")] {
        let call = ("pods_get", json!({"name": name, "fields": "status.phase"}));
        let answer = answer(host, None, call).await;
        assert!(answer.contains(&format!("namespace: {namespace}\n")), "{answer}");
    }
    let logs = answer(host, None, ("pods_log", json!({"name": "batch"}))).await;
    assert!(logs.starts_with("(namespace shop)\n"), "{logs}");
}

/// An account of one namespace, and one that may read nothing.
async fn read_in_known_namespaces(host: &(Arc<Calls>, Arc<Authenticator>), developer: &str, nobody: &str) {
    let cases = vec![
        // Another namespace has it too, which this account cannot know.
        ("known", "pods_get", json!({"name": "web", "fields": "status.phase"})),
        ("known_none", "pods_get", json!({"name": "cart-7f-x2x7q"})),
        ("known_log", "pods_log", json!({"name": "batch"})),
    ];
    check(host, Some(developer), cases).await;
    check(host, Some(nobody), vec![("refused", "pods_get", json!({"name": "web"}))]).await;
}
