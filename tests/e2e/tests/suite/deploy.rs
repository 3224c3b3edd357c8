//! Manifests of deploy/, applied to the real API server, and the host started with their arguments.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{
    accounts,
    cluster::Cluster,
    dify::Dify,
    porthole::{Porthole, binary, tools},
};
use serde_json::{Value, json};

fn deploy() -> PathBuf {
    root().join("deploy")
}

/// YAML documents of a file.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn manifests() -> Vec<Value> {
    documents(&std::fs::read_to_string(deploy().join("kubernetes.yaml")).unwrap())
}

fn named<'d>(documents: &'d [Value], kind: &str, name: &str) -> &'d Value {
    let found =
        documents.iter().find(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Runs kubectl as the admin; a warning is an error.
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = Command::new(&cluster.kubectl)
        .arg("--kubeconfig")
        .arg(&cluster.kubeconfig)
        .arg("--warnings-as-errors")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !said.contains("Warning"), "kubectl {arguments:?}: {said}");
    said
}

fn apply(cluster: &Cluster, more: &[&str]) -> String {
    let file = deploy().join("kubernetes.yaml");
    let mut arguments = vec!["apply", "--server-side", "--validate=strict", "-f", file.to_str().unwrap()];
    arguments.extend(more);
    kubectl(cluster, &arguments)
}

/// A single test, because everything shares one namespace: a dry run, the real run, then the host.
#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_hold_what_they_promise() {
    let cluster = Cluster::for_tests();
    let manifests = manifests();
    // Does the work of the controller manager, which does not run here.
    let client = cluster.admin().await.unwrap();
    let namespace = named(&manifests, "Namespace", "mcp-tools");
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    std::fs::write(&file, namespace.to_string()).unwrap();
    kubectl(&cluster, &["apply", "--server-side", "-f", file.path().to_str().unwrap()]);
    let dry = apply(&cluster, &["--dry-run=server"]);
    assert!(dry.lines().count() >= manifests.len(), "{dry}");
    apply(&cluster, &[]);
    let deployment = named(&manifests, "Deployment", "porthole");
    pod_is_restricted(&client, deployment).await;
    let pulling = with_a_registry(&cluster, "[registry]");
    pod_is_restricted(&client, &pulling).await;
    pod_is_restricted(&client, &with_a_registry(&cluster, "[registry, registry/following]")).await;
    let server = |deployment: &Value| deployment["spec"]["template"]["spec"]["containers"][0].clone();
    let mut pulled = server(&pulling);
    let of_tools = ["/plugins", "/etc/porthole-lock"];
    let is_of_tools =
        |mount: &Value| of_tools.iter().any(|path| mount["mountPath"] == *path) && mount["readOnly"] == true;
    pulled["volumeMounts"].as_array_mut().unwrap().retain(|mount| !is_of_tools(mount));
    let lock = pulled["args"].as_array_mut().unwrap().pop();
    assert_eq!(lock, Some(json!("--sources-lock=/etc/porthole-lock/sources.lock")));
    assert_eq!(
        pulled,
        server(deployment),
        "the server gets the tools and their lock, and no key of the registry"
    );
    let volumes = pulling["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let lock = volumes.iter().find(|volume| volume["name"] == "tools-lock").unwrap();
    assert_eq!(lock["configMap"]["items"], json!([{"key": "sources.lock", "path": "sources.lock"}]));

    let token =
        kubectl(&cluster, &["create", "token", "k8s-mcp-server-sa", "-n", "mcp-tools", "--duration=720h"]);
    let token = token.trim();
    accounts::remember(token);
    let host = as_deployed(&cluster, &manifests).await;
    let call = async |tool: &str, arguments: Value| {
        Dify::visit(&host.origin, Some(token), tool, arguments).await.unwrap()
    };
    let pods = call("pods_list", json!({"labelSelector": "app=web"})).await;
    assert!(pods.contains("web-6d4f9c7b8d-k8pq2"), "{pods}");
    let view = call("configuration_view", json!({})).await;
    assert!(view.contains("account: system:serviceaccount:mcp-tools:k8s-mcp-server-sa"), "{view}");
    assert!(view.contains("default namespace: mcp-tools"), "the projected file names it: {view}");
    let closed = call("resources_list", json!({"kind": "secrets"})).await;
    assert!(closed.contains("resource not allowed"), "{closed}");
    kubectl(&cluster, &["delete", "clusterrolebinding", "k8s-mcp-server-reader"]);
    let begun = Instant::now();
    loop {
        let refused = call("pods_list", json!({"labelSelector": "app=web"})).await;
        if refused.starts_with("ERROR: forbidden") && refused.contains("k8s-mcp-server-sa") {
            break;
        }
        // The API server's authorizer applies the change with a short delay.
        assert!(begun.elapsed() < Duration::from_secs(60), "{refused}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The Deployment that pulls its tools, as kustomize makes it of deploy/ with these components and the files that they ask
/// for.
fn with_a_registry(cluster: &Cluster, components: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let files = ["kustomization.yaml", "kubernetes.yaml", "registry"].map(|name| deploy().join(name));
    let copied = Command::new("cp").arg("-r").args(files).arg(folder.path()).status().unwrap();
    assert!(copied.success(), "{copied}");
    for name in ["platform.pub", "ca.pem", "sources.lock"] {
        std::fs::write(folder.path().join("registry").join(name), "").unwrap();
    }
    let kustomization = folder.path().join("kustomization.yaml");
    let text = std::fs::read_to_string(&kustomization).unwrap();
    assert!(text.contains("components: [registry]"), "{text}");
    std::fs::write(kustomization, text.replace("[registry]", components)).unwrap();
    let built = documents(&kubectl(cluster, &["kustomize", folder.path().to_str().unwrap()]));
    let deployment = named(&built, "Deployment", "porthole").clone();
    let container = &deployment["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!(container["args"][1], "pull", "{container}");
    deployment
}

/// Checks that Pod Security admits the Deployment's pod, and rejects one with a root user.
async fn pod_is_restricted(client: &kube::Client, deployment: &Value) {
    let template = &deployment["spec"]["template"];
    let mut pod = json!({"metadata": {"name": "as-deployed", "labels": template["metadata"]["labels"]}, "spec": template["spec"]});
    let path = "/api/v1/namespaces/mcp-tools/pods?dryRun=All";
    accounts::send(client, "POST", path, &pod).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({});
    let refused = accounts::send(client, "POST", path, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "the namespace enforces something: {refused}");
}

/// Starts the host with the Deployment's arguments, its ConfigMap, and the files projected into its pod.
async fn as_deployed(cluster: &Cluster, manifests: &[Value]) -> Porthole {
    let folder = tempfile::tempdir().unwrap().keep();
    let config = named(manifests, "ConfigMap", "porthole")["data"]["porthole.yaml"].as_str().unwrap();
    std::fs::write(folder.join("porthole.yaml"), config).unwrap();
    let account = folder.join("account");
    std::fs::create_dir(&account).unwrap();
    std::fs::copy(cluster.folder.join("ca.crt"), account.join("ca.crt")).unwrap();
    std::fs::write(account.join("namespace"), "mcp-tools").unwrap();
    let spec = &named(manifests, "Deployment", "porthole")["spec"]["template"]["spec"];
    let arguments: Vec<String> = spec["containers"][0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        // Replaces the addresses by loopback and a free port.
        .filter(|argument| *argument != "serve" && !argument.contains("listen="))
        .map(|argument| {
            argument
                .replace("=/plugins", &format!("={}", tools().display()))
                .replace("/var/cache/porthole", &folder.join("cache").display().to_string())
                .replace("/etc/porthole", &folder.display().to_string())
        })
        .collect();
    let port = cluster.url.rsplit(':').next().unwrap().to_owned();
    let environment = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", port),
        ("PORTHOLE_SERVICE_ACCOUNT", account.display().to_string()),
        ("KUBECONFIG", String::new()),
        ("HOME", "/nonexistent".to_owned()),
    ];
    let options: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let host = Porthole::spawn_in(&options, &environment).unwrap();
    host.until_loaded().await.unwrap();
    host
}

#[test]
fn the_roles_are_those_that_porthole_prints() {
    let output = Command::new(binary())
        .args(["rbac", "--name", "k8s-mcp-server-reader", "--with", "helm,nodes", "--plugins"])
        .arg(tools())
        .output()
        .unwrap();
    let printed = documents(&String::from_utf8(output.stdout).unwrap());
    let shipped: Vec<Value> =
        manifests().into_iter().filter(|document| document["kind"] == "ClusterRole").collect();
    assert_eq!(
        shipped, printed,
        "deploy/kubernetes.yaml: put in what `porthole rbac --name k8s-mcp-server-reader --with helm,nodes` prints"
    );
}

/// Checks that the app for Dify names served tools and arguments, and meets Dify's requirements (deploy.md §1).
#[tokio::test(flavor = "multi_thread")]
async fn the_dify_app_names_only_tools_that_exist() {
    let text = std::fs::read_to_string(deploy().join("dify/k8s-agent.yml")).unwrap();
    let app: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        (&app["kind"], &app["version"], &app["app"]["mode"]),
        (&json!("app"), &json!("0.6.0"), &json!("agent-chat"))
    );
    assert!(text.contains("version: \"0.6.0\""), "Dify wants the version as a quoted text");
    let model = &app["model_config"];
    assert!(
        model["model"]["provider"].as_str().unwrap().split('/').count() == 3
            && model["model"]["mode"] == "chat"
    );
    assert_eq!(
        (&model["agent_mode"]["enabled"], &model["agent_mode"]["strategy"]),
        (&json!(true), &json!("function_call"))
    );
    let prompt = model["pre_prompt"].as_str().unwrap();
    for part in ["只读", "Events", "read-only", "porthole"] {
        assert!(prompt.contains(part), "the prompt lacks {part:?}");
    }
    let (cluster, token) = crate::reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let client = porthole_testbed::http::Streamable::new(&host.origin, Some(&token));
    let listed = client.request("tools/list", json!({})).await.unwrap();
    let listed = listed["tools"].as_array().unwrap();
    let tools = model["agent_mode"]["tools"].as_array().unwrap();
    for tool in tools {
        let name = tool["tool_name"].as_str().unwrap();
        let served = listed
            .iter()
            .find(|served| served["name"] == name)
            .unwrap_or_else(|| panic!("{name} is not served"));
        assert_eq!(
            (&tool["provider_type"], &tool["provider_id"], &tool["enabled"]),
            (&json!("mcp"), &json!("porthole"), &json!(true))
        );
        let mut wanted: Vec<&String> =
            served["inputSchema"]["properties"].as_object().unwrap().keys().collect();
        let mut given: Vec<&String> = tool["tool_parameters"].as_object().unwrap().keys().collect();
        wanted.sort();
        given.sort();
        assert_eq!(given, wanted, "{name}: every parameter, empty, so that the model fills it");
        assert!(tool.get("credential_id").is_none(), "{name}");
    }
    assert!(tools.len() >= 18, "an agent without tools answers from imagination");
}
