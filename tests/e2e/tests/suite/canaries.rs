//! Canaries in every place that defaults protect, searched for in every byte that leaves a host.

mod places;
mod search;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use porthole_testbed::{
    accounts,
    cluster::Cluster,
    dify::Dify,
    http::{Streamable, send},
    porthole::{Porthole, tools},
};
use serde_json::{Value, json};

use places::{NAMESPACE, Planted};
use search::Search;

/// Output forms of a list, which its schema describes in words.
const OUTPUTS: [&str; 6] = ["table", "names", "count", "yaml", "json", "wide"];
/// Paths that lead to what must not be shown.
const FIELDS: [&str; 6] = [
    "data",
    "stringData,data",
    "metadata.annotations",
    "metadata.managedFields",
    "metadata",
    "status.containerStatuses,message",
];
/// Room for every object whole: an answer that is cut off would prove nothing.
const CONFIG: &str = "limits: {output: 1Mi}\n";

/// A call of each tool, of which the others are made by what its schema offers.
fn calls(planted: &Planted) -> Vec<(&'static str, Value)> {
    let here = || json!({"namespace": NAMESPACE});
    let pod = || json!({"name": "canary", "namespace": NAMESPACE});
    let mut calls = vec![
        ("access_check", json!({"subject": "canaries/keeper"})),
        ("access_check", json!({"verb": "get", "kind": "secrets", "namespace": NAMESPACE, "name": "opaque"})),
        ("api_resources_list", json!({})),
        ("changes", json!({"namespace": NAMESPACE, "since": "365d"})),
        ("changes", json!({"name": "canary"})),
        ("configuration_view", json!({})),
        ("deployments_list", here()),
        ("diagnose", here()),
        ("diagnose", pod()),
        ("diagnose", json!({"name": "opaque", "namespace": NAMESPACE, "kind": "secret"})),
        ("diagnose_custom", here()),
        ("events_list", here()),
        ("events_list", pod()),
        ("find", json!({"query": "canary", "namespace": NAMESPACE})),
        ("find", json!({"query": "opaque", "namespace": NAMESPACE, "kind": "secrets"})),
        ("helm_list", here()),
        ("helm_list", json!({})),
        ("namespaces_list", json!({})),
        ("nodes_get", json!({"name": "node-1"})),
        ("nodes_list", json!({})),
        ("nodes_log", json!({"name": "node-1", "query": "kubelet"})),
        ("nodes_stats_summary", json!({"name": "node-1"})),
        ("nodes_top", json!({})),
        ("pods_get", pod()),
        ("pods_list", json!({"fieldSelector": format!("metadata.namespace={NAMESPACE}")})),
        ("pods_list_in_namespace", here()),
        ("pods_log", pod()),
        ("pods_log", json!({"name": "canary", "namespace": NAMESPACE, "previous": true})),
        ("pods_log", json!({"name": "canary", "namespace": NAMESPACE, "grep": "login", "context": 2})),
        ("pods_top", here()),
        ("projects_list", json!({})),
        ("resources_explain", json!({"kind": "secrets", "depth": 3})),
    ];
    for kind in ["secrets", "configmaps", "pods", "events", "serviceaccounts"] {
        calls.push(("resources_list", json!({"kind": kind, "namespace": NAMESPACE})));
    }
    calls.push(("resources_list", json!({"kind": "secrets", "namespace": "kube-system"})));
    let secrets = planted.secrets.iter().map(|(namespace, name)| ("secrets", *namespace, name.as_str()));
    let others = [
        ("configmaps", NAMESPACE, "applied"),
        ("pods", NAMESPACE, "canary"),
        ("events", NAMESPACE, "canary"),
    ];
    for (kind, namespace, name) in secrets.chain(others) {
        let one = json!({"kind": kind, "namespace": namespace, "name": name});
        calls.extend([("resources_get", one.clone()), ("resources_describe", one)]);
    }
    calls
}

/// The calls in every form of output that their tools have.
fn in_every_form(calls: &[(&'static str, Value)], listed: &[Value]) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (tool, arguments) in calls {
        let schema = listed.iter().find(|listed| listed["name"] == *tool).unwrap();
        let properties = &schema["inputSchema"]["properties"];
        let outputs: Vec<Value> = match &properties["output"] {
            Value::Null => Vec::new(),
            output => match output["enum"].as_array() {
                Some(values) => values.clone(),
                None => OUTPUTS.iter().map(|&output| output.into()).collect(),
            },
        };
        let fields: &[&str] = if properties["fields"].is_null() { &[] } else { &FIELDS };
        let mut add = |output: Option<&Value>, fields: Option<&str>| {
            let mut arguments = arguments.clone();
            if let Some(output) = output {
                arguments["output"] = output.clone();
            }
            if let Some(fields) = fields {
                arguments["fields"] = fields.into();
            }
            all.push((*tool, arguments));
        };
        for output in std::iter::once(None).chain(outputs.iter().map(Some)) {
            add(output, None);
            fields.iter().for_each(|fields| add(output, Some(fields)));
        }
    }
    all
}

/// All files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// A cache folder with what other hosts of the run have compiled, but for one tool, so that the host writes there too.
fn compiled(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let known = std::fs::read_dir(porthole_testbed::prepared::path("PORTHOLE_CACHE")).unwrap();
    let mut known: Vec<PathBuf> = known.map(|entry| entry.unwrap().path()).collect();
    known.retain(|path| path.extension().is_some_and(|ending| ending == "cwasm"));
    known.sort();
    for path in known.iter().skip(1) {
        std::fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
    }
}

/// A host with all its files in one folder, and its operator's page.
async fn host(cluster: &Cluster, folder: &Path) -> Porthole {
    let text = |name: &str| folder.join(name).display().to_string();
    let plugins = folder.join("tools");
    std::fs::create_dir(&plugins).unwrap();
    for entry in std::fs::read_dir(tools()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), plugins.join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.join("porthole.yaml"), CONFIG).unwrap();
    compiled(&folder.join("compiled"));
    let options = [
        "--kubeconfig",
        &cluster.kubeconfig.display().to_string(),
        "--plugins",
        &text("tools"),
        "--config",
        &text("porthole.yaml"),
        "--audit",
        &text("audit"),
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let host = Porthole::spawn_in(&options, &[("PORTHOLE_CACHE", text("compiled"))]).unwrap();
    host.until_loaded().await.unwrap();
    host
}

/// A tool tried on the operator's page, as a browser submits its form.
async fn try_tool(page: &str, tool: &str, arguments: &Value, token: &str) -> String {
    let mut fields = vec![(":token".to_owned(), token.to_owned())];
    for (name, value) in arguments.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields.push((name.clone(), text));
    }
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let request = http::Request::post(format!("{page}/tools/{tool}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from(fields.join("&")))
        .unwrap();
    let response = porthole_testbed::http::client().request(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{tool} {arguments}");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

/// Asserts that the cluster itself holds each canary where it was put: what is not there cannot leak.
async fn assert_planted(cluster: &Cluster, search: &Search, planted: &Planted) {
    let client = cluster.admin().await.unwrap();
    let mut held = String::new();
    for path in [
        format!("/api/v1/namespaces/{NAMESPACE}/secrets"),
        "/api/v1/namespaces/kube-system/secrets".to_owned(),
        format!("/api/v1/namespaces/{NAMESPACE}/configmaps"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods"),
        format!("/api/v1/namespaces/{NAMESPACE}/events"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods/canary/log"),
        format!("/api/v1/namespaces/{NAMESPACE}/pods/canary/log?previous=true"),
    ] {
        held += &client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
    }
    let found = search.find(held.as_bytes()).join("\n");
    for (place, _) in planted.canaries.borrow().iter() {
        // Within a packed release, which is looked for as it is stored.
        let is_packed = place.ends_with("of a release") || place.ends_with("of a chart");
        assert!(is_packed || found.contains(place.as_str()), "no canary in {place}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_leaves_a_host_in_any_form() {
    let cluster = Cluster::for_tests();
    let planted = Planted::plant(&cluster).await;
    let client = cluster.admin().await.unwrap();
    let keeper = accounts::account(&client, NAMESPACE, "keeper").await.unwrap();
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, (NAMESPACE, "keeper"), None, rules).await.unwrap();
    let nobody = accounts::account(&client, NAMESPACE, "nobody").await.unwrap();
    let search = Search::of(&planted.canaries.borrow());
    assert_planted(&cluster, &search, &planted).await;
    planted.token("the caller's token", &keeper);
    planted.token("the token of a caller without rights", &nobody);
    let search = Search::of(&planted.canaries.borrow());

    assert_found_unmasked(&cluster, &search, &keeper).await;

    let folder = tempfile::tempdir().unwrap();
    let host = host(&cluster, folder.path()).await;
    let page = host.page().await.unwrap();
    let streamable = Streamable::new(&host.origin, Some(&keeper));
    let listed = streamable.request("tools/list", json!({})).await.unwrap();
    let listed = listed["tools"].as_array().unwrap();
    let calls = calls(&planted);
    for tool in listed {
        assert!(calls.iter().any(|(name, _)| tool["name"] == *name), "{} is not called", tool["name"]);
    }
    let mut leaks: Vec<String> = Vec::new();
    let mut searched = 0;
    let mut look = |whence: &str, bytes: &[u8]| {
        searched += bytes.len();
        leaks.extend(search.find(bytes).into_iter().map(|leak| format!("{whence}: {leak}")));
    };
    let all = in_every_form(&calls, listed);
    let (mut answers, mut errors) = (0, 0);
    for (tool, arguments) in &all {
        let result =
            streamable.request("tools/call", json!({"name": tool, "arguments": arguments})).await.unwrap();
        if result["isError"] == true {
            errors += 1
        } else {
            answers += 1
        }
        look(&format!("{tool} {arguments}"), result.to_string().as_bytes());
        // Once more without the JSON around it, which escapes.
        let text = porthole_testbed::http::text(&result).unwrap();
        assert!(!text.contains("more bytes"), "{tool} {arguments}: an answer that is cut off proves nothing");
        look(&format!("{tool} {arguments}, its text"), text.as_bytes());
    }
    assert!(answers > errors, "{answers} answers, {errors} errors");
    // The other ways: Dify's, the operator's page, an account that may read nothing, arguments that are wrong, and the
    // token itself where a name belongs.
    let refused = Streamable::new(&host.origin, Some(&nobody));
    for (tool, arguments) in &calls {
        look(
            "/sse",
            Dify::visit(&host.origin, Some(&keeper), tool, arguments.clone()).await.unwrap().as_bytes(),
        );
        look("the page", try_tool(&page, tool, arguments, &keeper).await.as_bytes());
        look("a refusal", refused.call(tool, arguments.clone()).await.unwrap().as_bytes());
        let mut wrong = arguments.clone();
        wrong["fields"] = "data[".into();
        wrong["container"] = "none".into();
        look("an error", refused.call(tool, wrong.clone()).await.unwrap().as_bytes());
        look("an error", streamable.call(tool, wrong).await.unwrap().as_bytes());
        // The answer goes to the caller, whose token it is; what the operator sees is searched below.
        let mut own = arguments.clone();
        own["name"] = keeper.as_str().into();
        streamable.call(tool, own).await.unwrap();
    }
    for path in ["/", "/metrics", "/tools/resources_get", "/style.css"] {
        look(path, send("GET", &format!("{page}{path}"), None, "").await.unwrap().body.as_bytes());
    }
    for path in ["/readyz", "/healthz"] {
        look(path, send("GET", &format!("{}{path}", host.origin), None, "").await.unwrap().body.as_bytes());
    }
    let printed = host.printed().unwrap();
    let log = host.log.clone();
    // Ends after the last line of the audit and the log is written.
    host.terminate().await.unwrap();
    look("standard output", printed.as_bytes());
    look("the log", &std::fs::read(&log).unwrap());
    let kept = files(folder.path());
    for part in ["/audit", "/compiled/", "/tools/"] {
        assert!(kept.iter().any(|(name, bytes)| name.contains(part) && !bytes.is_empty()), "no {part}");
    }
    for (name, bytes) in &kept {
        look(name, bytes);
    }
    assert!(kept_at_trace(&log), "the log is not written at its most verbose level");
    println!(
        "canaries: {} in {} Secrets and elsewhere, {} calls in {} forms ({answers} answers, {errors} errors), {searched} bytes searched",
        planted.canaries.borrow().len(),
        planted.secrets.len(),
        calls.len(),
        all.len(),
    );
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

/// True if a host has logged at the most verbose level.
fn kept_at_trace(log: &Path) -> bool {
    memchr::memmem::find(&std::fs::read(log).unwrap(), b" TRACE ").is_some()
}

/// The search sees what leaves a host: where masking is off, the canaries of a log are found.
async fn assert_found_unmasked(cluster: &Cluster, search: &Search, token: &str) {
    let host = Porthole::configured(&cluster.kubeconfig, "redact: {logs: off}\n").await.unwrap();
    let client = Streamable::new(&host.origin, Some(token));
    let text = client.call("pods_log", json!({"name": "canary", "namespace": NAMESPACE})).await.unwrap();
    let found = search.find(text.as_bytes());
    assert!(found.iter().any(|leak| leak.starts_with("the log app.log, raw")), "{found:?} in {text}");
}
