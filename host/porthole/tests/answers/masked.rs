//! Values that the operator masks (`redact.paths`, `redact.env`): no tool shows them, and no question finds them.

use porthole_guard::{EnvironmentMasking, MaskedPaths, MaskedValues};

use super::*;

/// Part of every value that is masked.
const VALUE: &str = "pa55";

/// A ConfigMap, and a workload whose pod crashes, with values in every place that is masked.
fn manifests() -> String {
    let env = json!([
        {"name": "DB_PASSWORD", "value": "pa55-env"},
        {"name": "DATABASE_URL", "value": "postgres://app:pa55-url@db/orders"},
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
    ]);
    let pod = json!({"containers": [{"name": "app", "image": "app:1", "resources": {}, "args": ["--pin=pa55-args"], "env": env}]});
    let template = json!({"metadata": {"labels": {"app": "orders"}}, "spec": pod});
    let labels = json!({"app": "orders"});
    let copy = json!({"kapp.k14s.io/original": r#"{"kind":"ConfigMap","data":{"password":"pa55-copy"}}"#});
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "orders", "namespace": "shop", "annotations": copy},
            "data": {"password": "pa55-data", "url": "db:5432"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "orders", "namespace": "shop", "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}, "status": {"replicas": 1, "unavailableReplicas": 1}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orders-1", "namespace": "shop", "labels": labels}, "spec": pod,
            "status": {"phase": "Running", "containerStatuses": [{"name": "app", "image": "app:1", "imageID": "", "ready": false, "restartCount": 9, "state": waiting}]}}),
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
}

/// The calls of a host with these masks.
fn masked(
    (cluster, catalog, authenticator): (&Arc<Cluster>, &Arc<Catalog>, &Arc<Authenticator>),
    values: MaskedValues,
) -> Calls {
    let guard = Guard::new(Arc::clone(cluster), Arc::default()).with_masked_values(Arc::new(values));
    Calls::new(Arc::clone(catalog), Arc::new(guard), Arc::clone(authenticator), Audit::Off)
}

/// Questions whose answers would hold a value.
fn questions() -> Vec<(&'static str, Value)> {
    let of = |kind: &str, name: &str, more: Value| {
        let mut arguments = json!({"kind": kind, "name": name, "namespace": "shop"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let all = |kind: &str, more: Value| {
        let mut arguments = json!({"kind": kind, "namespace": "shop"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let env = "spec.containers[].env";
    vec![
        ("resources_get", of("ConfigMap", "orders", json!({}))),
        ("resources_get", of("ConfigMap", "orders", json!({"fields": "data.password"}))),
        ("resources_get", of("Deployment", "orders", json!({}))),
        ("resources_get", of("Pod", "orders-1", json!({"fields": env}))),
        ("resources_describe", of("ConfigMap", "orders", json!({}))),
        ("resources_describe", of("Deployment", "orders", json!({}))),
        ("resources_describe", of("Pod", "orders-1", json!({}))),
        ("resources_list", all("configmaps", json!({}))),
        ("resources_list", all("configmaps", json!({"output": "yaml"}))),
        ("resources_list", all("configmaps", json!({"output": "json"}))),
        ("resources_list", all("configmaps", json!({"fields": "metadata.name,data.password"}))),
        ("resources_list", all("configmaps", json!({"fields": "metadata.name", "sortBy": "data.password"}))),
        ("resources_list", all("pods", json!({"output": "json", "fields": env}))),
        ("pods_get", json!({"name": "orders-1", "namespace": "shop"})),
        ("pods_list", json!({"fields": "spec.containers[].env[].value"})),
        ("diagnose", json!({"namespace": "shop"})),
        ("diagnose", json!({"name": "orders", "namespace": "shop"})),
        ("changes", json!({"namespace": "shop"})),
        ("find", json!({"query": "orders"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_masked_value_is_shown_or_found_by_a_tool() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects");
    std::fs::create_dir(&objects).unwrap();
    std::fs::write(objects.join("masked.yaml"), manifests()).unwrap();
    let cluster = EmbeddedCluster::start(Some(&objects)).await.unwrap();
    let paths = |kinds: &[&str], paths: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        MaskedPaths { kinds: owned(kinds), paths: owned(paths) }
    };
    let named = vec![
        paths(&["cm"], &["data.password"]),
        paths(&["pods"], &["spec.containers[].args"]),
        paths(&["deployments"], &["spec.template.spec.containers[].args"]),
    ];
    let masks = MaskedValues::parse(named, EnvironmentMasking::Mask).unwrap();
    let source = Source::Text(cluster.kubeconfig());
    let server = Arc::new(Cluster::new(ApiServer::for_host(&source).await.unwrap()));
    let asked = folder.path().join("tools");
    std::fs::create_dir(&asked).unwrap();
    // Those that are asked alone: compiling all of them takes most of the test's time.
    for tool in questions().into_iter().map(|(tool, _)| format!("{tool}.wasm")) {
        std::fs::copy(tools().join(&tool), asked.join(&tool)).unwrap();
    }
    let (catalog, authenticator) = (catalog(asked).await, Arc::new(Authenticator::host(None)));
    let layers = (&server, &catalog, &authenticator);
    let (calls, open) = (masked(layers, masks), masked(layers, MaskedValues::default()));
    let caller = authenticator.authenticate(None, NO_PEER).await.unwrap();
    let ask = async |calls: &Calls, tool: &str, arguments: &Value| {
        let Value::Object(arguments) = arguments.clone() else { panic!("{tool}: arguments are an object") };
        let call = Call { tool: tool.to_owned(), arguments, client: None, notes: None };
        text(calls.call(call, &caller).await.answer)
    };

    let (mut shown, mut unmasked) = (String::new(), 0);
    for (tool, arguments) in questions() {
        let answer = ask(&calls, tool, &arguments).await;
        assert!(!answer.starts_with("ERROR"), "{tool} {arguments}: {answer}");
        assert!(!answer.contains(VALUE), "{tool} {arguments}: {answer}");
        shown.push_str(&answer);
        unmasked += u32::from(ask(&open, tool, &arguments).await.contains(VALUE));
    }
    assert!(unmasked >= 8, "{unmasked} of the questions would show a value");
    for kept in [
        "<masked: configured>",
        "<masked: environment>",
        "<masked: url password>",
        "debug",
        "db:5432",
        "secretKeyRef",
    ] {
        assert!(shown.contains(kept), "{kept} in {shown}");
    }
    let answer =
        ask(&calls, "resources_get", &json!({"kind": "cm", "name": "orders", "namespace": "shop"})).await;
    assert!(answer.ends_with("[2 values are masked in the objects read: <masked: KIND>]"), "{answer}");

    // A condition sees the mask, so that no value is found piece by piece.
    for (condition, count) in
        [("data.password ~ pa5", 0), ("data.password ~ masked", 1), ("data.url ~ db", 1)]
    {
        let arguments =
            json!({"kind": "configmaps", "namespace": "shop", "output": "count", "where": condition});
        let (answer, expected) = (ask(&calls, "resources_list", &arguments).await, count.to_string());
        let found = answer.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        assert_eq!(found, Some(expected.as_str()), "{condition}: {answer}");
    }
}
