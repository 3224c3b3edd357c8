//! Tools by every road that the guide names: each served by a deployment of its own, and replaced while it runs.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{
    node::{Image, NODE_NAME, Node},
    porthole::{binary, tools},
    versions::{number, version},
};
use serde_json::{Value, json};

use crate::{
    beside::Beside,
    deployed::{Deployed, SOON},
    shell, until,
};

/// Maximum time until the kubelet brings a changed ConfigMap or Secret into a pod: it looks after each pod once a minute, half a
/// minute later at most.
pub(crate) const SYNC: Duration = Duration::from_secs(240);
/// Tool of these tests; its answer begins with its version.
const TOOL: &str = "versioned";

/// Mounts a volume over the image's tools, on the node whose folders these tests look into.
fn mount(pod: &mut Value, volume: Value) {
    pod["nodeSelector"] = json!({"kubernetes.io/hostname": NODE_NAME});
    let mut volume = volume;
    volume["name"] = json!("tools");
    pod["volumes"].as_array_mut().unwrap().push(volume);
    let mounts = pod["containers"][0]["volumeMounts"].as_array_mut().unwrap();
    mounts.push(json!({"name": "tools", "mountPath": "/plugins", "readOnly": true}));
}

/// Folder on the node, writable for every account; it goes with the node.
fn folder_on(node: &Node, name: &str) -> PathBuf {
    let folder = node.folder().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// Text of the guide.
fn guide() -> String {
    std::fs::read_to_string(root().join("deploy/README.md")).unwrap()
}

/// The one line of the guide's commands that contains `part`.
pub(crate) fn command_with(part: &str) -> String {
    let guide = guide();
    let lines: Vec<&str> = guide.lines().filter(|line| line.contains(part)).collect();
    assert_eq!(lines.len(), 1, "{part}: {lines:?}");
    lines[0].trim().to_owned()
}

/// The guide's manifest that contains `part`, without its indentation.
fn manifest_with(part: &str) -> String {
    let guide = guide();
    let block = guide.split("\n\n").find(|block| block.contains(part)).unwrap();
    let lines: Vec<&str> = block.lines().map(|line| line.strip_prefix("      ").unwrap_or(line)).collect();
    lines.join("\n")
}

/// Runs a command of the guide in a folder whose `my_tool.wasm` has this version.
fn with_version(node: &Node, n: u32, command: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my_tool.wasm"), version(n)).unwrap();
    shell(node, &format!("cd {}\n{command}", folder.path().display()));
}

/// Waits until the version is served, and prints how long that takes.
async fn served(road: &Beside, what: &str, n: u32) {
    let begun = Instant::now();
    road.until_answered(TOOL, &format!("{} sees", number(n))).await;
    eprintln!("{what}: served after {} ms", begun.elapsed().as_millis());
}

/// Target of the link that the kubelet swaps when it brings a ConfigMap into a pod.
fn data(node: &Node, uid: &str) -> PathBuf {
    let volume = format!("state/kubelet/pods/{uid}/volumes/kubernetes.io~configmap/tools/..data");
    std::fs::read_link(node.folder().join(volume)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_a_config_map_is_served_and_replaced() {
    let deployed = Deployed::get().await;
    let (node, create) = (&deployed.node, command_with("kubectl create configmap tools"));
    with_version(node, 1, &create);
    let road = Beside::deploy(deployed, ("by-config-map", "mcp-tools"), |pod| {
        mount(pod, json!({"configMap": {"name": "tools"}}));
    });
    served(&road, "a new pod with a ConfigMap", 1).await;

    let uid = road.pod_uid();
    // The first by itself; the second at once, because the guide's command changes the pod, too.
    let hastened =
        command_with("kubectl annotate pods").replace("app.kubernetes.io/name=porthole", "app=by-config-map");
    for (n, what, command) in [(2, "a ConfigMap", ""), (3, "a ConfigMap with an annotation", &hastened)] {
        let (before, begun) = (data(node, &uid), Instant::now());
        with_version(node, n, &format!("{create}\n{command}"));
        until("the kubelet swaps the folder", SYNC, async || {
            if data(node, &uid) == before { Err(before.display().to_string()) } else { Ok(()) }
        })
        .await;
        eprintln!("{what}: in the pod after {} ms", begun.elapsed().as_millis());
        served(&road, what, n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_too_large_for_a_config_map_is_refused_with_the_limit_that_check_names() {
    let node = &Deployed::get().await.node;
    let large = tools().join("diagnose.wasm");
    let refused = |tool: &Path, command: &str| {
        let script = format!("cp {} my_tool.wasm\n{command}", tool.display());
        let folder = tempfile::tempdir().unwrap();
        let output = node
            .enter("sh")
            .unwrap()
            .args(["-euc", &script])
            .current_dir(&folder)
            .env("KUBECONFIG", node.kubeconfig())
            .env("PATH", format!("{}:/usr/bin:/bin", node.folder().display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let create = command_with("kubectl create configmap tools").replace("configmap tools", "configmap large");
    // The API server counts the bytes themselves, and not as they are encoded.
    let said = refused(&large, &create);
    assert!(said.contains("may not be more than 1048576 bytes"), "{said}");
    // Without --server-side kubectl keeps everything a second time, as text in an annotation.
    let said = refused(&tools().join("pods_list.wasm"), &create.replace(" --server-side", ""));
    assert!(said.contains("metadata.annotations: Too long: may not be more than 262144 bytes"), "{said}");
    let check = std::process::Command::new(binary()).args(["plugin", "check"]).arg(&large).output().unwrap();
    let advice = String::from_utf8(check.stdout).unwrap();
    assert!(advice.contains("too large for a ConfigMap, which holds 1 MiB"), "{advice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_copied_to_a_volume_by_a_pod_is_served() {
    let deployed = Deployed::get().await;
    let node = &deployed.node;
    let folder = folder_on(node, "tools-of-a-claim");
    let metadata = |name: &str| json!({"name": name, "namespace": "mcp-tools"});
    let size = json!({"storage": "1Gi"});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "tools"}, "spec": {
        "capacity": size, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": folder},
        "claimRef": {"name": "tools", "namespace": "mcp-tools"},
    }});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata("tools"), "spec": {
        "storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": size},
    }});
    apply(node, &json!({"apiVersion": "v1", "kind": "List", "items": [volume, claim]}).to_string());
    apply(node, &manifest_with("name: tools-loader"));
    shell(node, "kubectl wait -n mcp-tools pod/tools-loader --for=condition=Ready --timeout=180s");
    let copy = command_with("kubectl cp my_tool.wasm");
    with_version(node, 1, &copy);
    let road = Beside::deploy(deployed, ("by-claim", "mcp-tools"), |pod| {
        mount(pod, json!({"persistentVolumeClaim": {"claimName": "tools"}}));
    });
    served(&road, "a new pod with a claim", 1).await;
    with_version(node, 2, &copy);
    served(&road, "a file copied to a claim", 2).await;
    shell(node, "kubectl delete -n mcp-tools pod/tools-loader --wait=false --grace-period=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_node_is_refused_where_pods_are_restricted_and_served_elsewhere() {
    let deployed = Deployed::get().await;
    let node = &deployed.node;
    let folder = folder_on(node, "tools-of-the-node");
    let on_node = |pod: &mut Value| mount(pod, json!({"hostPath": {"path": folder, "type": "Directory"}}));
    let refused = Beside::deploy(deployed, ("by-refused-path", "mcp-tools"), on_node);
    until("Pod Security refuses the pod", SOON, async || {
        let arguments = ["get", "events", "-n", "mcp-tools", "--field-selector=reason=FailedCreate"];
        let events = node.kubectl(&arguments).unwrap();
        if events
            .contains("restricted volume types (volume \"tools\" uses restricted volume type \"hostPath\")")
        {
            Ok(())
        } else {
            Err(events)
        }
    })
    .await;
    drop(refused);

    shell(node, "kubectl create namespace roads && kubectl create serviceaccount porthole -n roads");
    shell(node, "kubectl create configmap porthole -n roads --from-literal=porthole.yaml=");
    write(&folder, 1);
    let road = Beside::deploy(deployed, ("by-path", "roads"), on_node);
    served(&road, "a new pod with a folder of the node", 1).await;
    write(&folder, 2);
    served(&road, "a file copied to a folder of the node", 2).await;
    shell(node, "kubectl delete namespace roads --wait=false");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_tools_is_served_where_the_runtime_mounts_images() {
    let deployed = Deployed::get().await;
    let node = &deployed.node;
    let path = "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}";
    let runtime = node.kubectl(&["get", "nodes", "-o", path]).unwrap();
    let numbers: Vec<u32> =
        runtime.trim_start_matches("containerd://").split('.').flat_map(str::parse::<u32>).collect();
    if numbers < vec![2, 1] {
        eprintln!("NOT RUN: image volumes need containerd 2.1, and this node has {runtime}");
        return;
    }
    let files = tempfile::tempdir().unwrap();
    write(files.path(), 1);
    node.import(files.path(), &Image { tags: &["docker.io/library/tools:1"], ..Image::default() }).unwrap();
    let road = Beside::deploy(deployed, ("by-image", "mcp-tools"), |pod| {
        mount(pod, json!({"image": {"reference": "docker.io/library/tools:1", "pullPolicy": "Never"}}));
    });
    served(&road, "a new pod with an image of tools", 1).await;
}

/// Copies a version into a folder, as `cp` does: into the file that is there.
fn write(folder: &Path, n: u32) {
    std::fs::write(folder.join("my_tool.wasm"), version(n)).unwrap();
}

fn apply(node: &Node, manifest: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, manifest).unwrap();
    shell(node, &format!("kubectl apply --server-side -f {}", file.path().display()));
}
