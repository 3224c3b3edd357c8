//! Knowledge beyond a caller's rights: past the operator's policy, denied kinds, and the caller's own RBAC.

use porthole_testbed::{accounts, fixtures, http::Streamable};
use serde_json::{Value, json};

use crate::{
    Case,
    stage::{NAMESPACE, Setting, Stage},
};

/// A namespace that the callers may not read, and part of each name in it.
const CLOSED: &str = "attacks-closed";
const MARK: &str = "hidden7";
/// A name that is nowhere, as long as those that are.
const NOWHERE: &str = "nowhere";

/// Creates objects with the mark in a namespace: a failing pod with a log, an event, a Deployment, a Service and more.
async fn hide(stage: &Stage) {
    let client = stage.cluster.admin().await.unwrap();
    accounts::namespace(&client, CLOSED).await.unwrap();
    let path = format!("/api/v1/namespaces/{CLOSED}");
    let labels = json!({"app": MARK});
    let metadata = || json!({"name": MARK, "labels": labels, "annotations": {"note": MARK}});
    let containers = json!([{"name": "app", "image": format!("registry.example.com/{MARK}:1")}]);
    let pod = json!({"metadata": metadata(), "spec": {"nodeName": "node-1", "containers": containers}});
    accounts::create(&client, &format!("{path}/pods"), &pod).await.unwrap();
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": MARK}});
    let status = json!({"status": {"containerStatuses": [{"name": "app", "ready": false, "restartCount": 9, "image": MARK, "imageID": MARK, "state": waiting}]}});
    accounts::send(&client, "PATCH", &format!("{path}/pods/{MARK}/status"), &status).await.unwrap();
    fixtures::write_log(&stage.cluster, &format!("{CLOSED}/{MARK}/app.log"), &format!("a line of {MARK}\n"))
        .unwrap();
    let map = json!({"metadata": metadata(), "data": {"key": MARK}});
    accounts::create(&client, &format!("{path}/configmaps"), &map).await.unwrap();
    let service = json!({"metadata": metadata(), "spec": {"clusterIP": "None", "selector": {"app": "none"}}});
    accounts::create(&client, &format!("{path}/services"), &service).await.unwrap();
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let deployment = json!({"metadata": metadata(), "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}});
    accounts::create(&client, &format!("/apis/apps/v1/namespaces/{CLOSED}/deployments"), &deployment)
        .await
        .unwrap();
    let now = fixtures::now();
    let event = json!({"metadata": {"name": MARK}, "type": "Warning", "reason": "Failed", "message": MARK, "firstTimestamp": now,
        "lastTimestamp": now, "involvedObject": {"kind": "Pod", "name": MARK, "namespace": CLOSED}});
    accounts::create(&client, &format!("{path}/events"), &event).await.unwrap();
}

/// Questions about a name, with a namespace and without one, and broad ones.
fn questions(name: &str, namespace: Option<&str>) -> Vec<(&'static str, Value)> {
    let mut questions = vec![
        ("pods_get", json!({"name": name})),
        ("pods_log", json!({"name": name})),
        ("pods_log", json!({"name": name, "previous": true})),
        ("pods_log", json!({"labelSelector": format!("app={name}")})),
        ("pods_log", json!({"name": format!("deployment/{name}")})),
        ("events_list", json!({"name": format!("deploy/{name}")})),
        ("pods_top", json!({"name": name})),
        ("events_list", json!({"name": name})),
        ("diagnose", json!({"name": name})),
        ("find", json!({"query": name})),
        ("changes", json!({"name": name, "since": "30d"})),
        ("pods_list", json!({"labelSelector": format!("app={name}")})),
        ("pods_list", json!({"fieldSelector": format!("metadata.name={name}"), "output": "json"})),
        ("helm_list", json!({})),
    ];
    for kind in ["pods", "services", "deployments", "configmaps", "events"] {
        questions.extend([
            ("resources_get", json!({"kind": kind, "name": name})),
            ("resources_describe", json!({"kind": kind, "name": name})),
            ("resources_list", json!({"kind": kind, "labelSelector": format!("app={name}")})),
            (
                "resources_list",
                json!({"kind": kind, "where": format!("metadata.name={name}"), "output": "count"}),
            ),
        ]);
    }
    if let Some(namespace) = namespace {
        for (_, arguments) in &mut questions {
            arguments["namespace"] = namespace.into();
        }
        // These have no such argument.
        questions.retain(|(tool, _)| *tool != "pods_list");
    }
    questions
}

/// Questions that name nothing, and namespaces that look like others.
fn broad() -> Vec<(&'static str, Value)> {
    let mut questions = vec![
        ("pods_list", json!({})),
        ("pods_list", json!({"output": "names"})),
        ("deployments_list", json!({})),
        ("events_list", json!({})),
        ("events_list", json!({"output": "count", "fields": "metadata.namespace"})),
        ("changes", json!({"since": "30d"})),
        ("diagnose", json!({})),
        // A node's and a namespace's description may tell of their pods.
        ("diagnose", json!({"name": "node-1", "kind": "node"})),
        ("resources_describe", json!({"kind": "node", "name": "node-1"})),
        ("resources_describe", json!({"kind": "namespace", "name": CLOSED})),
        ("nodes_stats_summary", json!({"name": "node-1"})),
        ("pods_top", json!({})),
        ("find", json!({"query": "app", "kind": "pods"})),
        ("resources_list", json!({"kind": "configmaps", "fields": "metadata.annotations"})),
    ];
    for namespace in [
        "attacks-closed/../attacks-closed",
        "*",
        "attacks,attacks-closed",
        "attacks-close",
        " attacks-closed",
        "ATTACKS-CLOSED",
    ] {
        questions.extend([
            ("pods_list_in_namespace", json!({"namespace": namespace})),
            ("diagnose", json!({"namespace": namespace})),
            ("resources_list", json!({"kind": "pods", "namespace": namespace})),
        ]);
    }
    questions
}

/// Answers to questions about what is hidden, and the same about what is nowhere: none shows the mark beyond the question,
/// and both are the same but for the name.
async fn assert_nothing_learnt(client: &Streamable, namespace: Option<&str>) {
    let hidden = questions(MARK, namespace).into_iter().zip(questions(NOWHERE, namespace));
    for ((tool, about), (_, nowhere)) in hidden {
        let text = client.call(tool, about.clone()).await.unwrap();
        let other = client.call(tool, nowhere).await.unwrap();
        assert_eq!(timeless(&text.replace(MARK, NOWHERE)), timeless(&other), "{tool} {about}");
    }
    for (tool, arguments) in broad() {
        let text = client.call(tool, arguments.clone()).await.unwrap();
        assert!(!text.contains(MARK), "{tool} {arguments}: {text}");
    }
}

/// Most of the same questions tell an account that may read everything what is hidden.
async fn assert_something_to_learn(client: &Streamable) {
    let (mut telling, mut all) = (0, 0);
    for (tool, about) in questions(MARK, None) {
        let text = client.call(tool, about).await.unwrap();
        all += 1;
        telling += usize::from(text.contains(CLOSED) || text.contains(&format!("a line of {MARK}")));
    }
    assert!(telling * 2 > all, "{telling} of {all} questions tell something");
}

/// An answer without its ages, which go on between two calls.
fn timeless(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| if word.starts_with(|c: char| c.is_ascii_digit()) { "N " } else { word })
        .collect()
}

pub(crate) async fn by_policy(case: &'static Case) {
    // Kinds without a namespace are open too: what they tell must not be of the closed one.
    let config = format!(
        "policy:\n- callers: {{users: [\"system:serviceaccount:{NAMESPACE}:narrow\"]}}\n  namespaces: [{NAMESPACE}]\n  \
         kinds: [pods, pods/log, services, deployments, replicasets, configmaps, events, nodes, namespaces]\n"
    );
    let stage = Stage::set(case, Setting { config: &config, ..Setting::default() }).await;
    hide(&stage).await;
    let token = stage.account("narrow", accounts::reader_rules()).await;
    let reader = stage.reader().await;
    stage
        .attack(async {
            let client = stage.client(&token);
            assert_nothing_learnt(&client, None).await;
            assert_nothing_learnt(&client, Some(CLOSED)).await;
        })
        .await;
    assert_something_to_learn(&stage.client(&reader)).await;
}

pub(crate) async fn by_rights(case: &'static Case) {
    let stage = Stage::usual(case).await;
    hide(&stage).await;
    let admin = stage.cluster.admin().await.unwrap();
    let token = accounts::account(&admin, NAMESPACE, "local").await.unwrap();
    accounts::allow(&admin, (NAMESPACE, "local"), Some(NAMESPACE), accounts::reader_rules()).await.unwrap();
    stage
        .attack(async {
            let client = stage.client(&token);
            assert_nothing_learnt(&client, None).await;
            assert_nothing_learnt(&client, Some(CLOSED)).await;
        })
        .await;
    let reader = stage.reader().await;
    assert_something_to_learn(&stage.client(&reader)).await;
}

pub(crate) async fn by_denied(case: &'static Case) {
    let config = "denied: [configmaps, events, services]\n";
    let stage = Stage::set(case, Setting { config, ..Setting::default() }).await;
    let client = stage.cluster.admin().await.unwrap();
    accounts::namespace(&client, CLOSED).await.unwrap();
    let path = format!("/api/v1/namespaces/{CLOSED}");
    let name = "denied7";
    let map = json!({"metadata": {"name": name, "annotations": {"note": name}}, "data": {"key": name}});
    accounts::create(&client, &format!("{path}/configmaps"), &map).await.unwrap();
    let service =
        json!({"metadata": {"name": name}, "spec": {"clusterIP": "None", "selector": {"app": "none"}}});
    accounts::create(&client, &format!("{path}/services"), &service).await.unwrap();
    let now = fixtures::now();
    let event = json!({"metadata": {"name": name}, "type": "Warning", "reason": "Failed", "message": name, "firstTimestamp": now,
        "lastTimestamp": now, "involvedObject": {"kind": "Pod", "name": "x", "namespace": CLOSED}});
    accounts::create(&client, &format!("{path}/events"), &event).await.unwrap();
    let reader = stage.reader().await;
    let client = stage.client(&reader);
    stage
        .attack(async {
            let part = &name[..5];
            for (tool, arguments) in [
                ("find", json!({"query": part})),
                ("find", json!({"query": part, "namespace": CLOSED})),
                ("changes", json!({"since": "30d", "namespace": CLOSED})),
                ("diagnose", json!({"namespace": CLOSED})),
                ("diagnose", json!({"name": part, "namespace": CLOSED})),
                ("events_list", json!({"namespace": CLOSED})),
                ("resources_list", json!({"kind": "events.events.k8s.io", "namespace": CLOSED})),
                ("resources_list", json!({"kind": "cm", "namespace": CLOSED})),
                ("resources_list", json!({"kind": "svc", "namespace": CLOSED})),
                ("resources_get", json!({"kind": "ConfigMap", "name": part, "namespace": CLOSED})),
                ("resources_get", json!({"kind": "service", "name": part})),
                ("resources_describe", json!({"kind": "service", "name": part, "namespace": CLOSED})),
                ("resources_describe", json!({"kind": "namespace", "name": CLOSED})),
            ] {
                let text = client.call(tool, arguments.clone()).await.unwrap();
                assert!(!text.contains(name), "{tool} {arguments}: {text}");
            }
        })
        .await;
}

pub(crate) async fn tools(case: &'static Case) {
    let config = format!(
        "policy:\n- callers: {{users: [\"system:serviceaccount:{NAMESPACE}:toolless\"]}}\n  tools: [namespaces_list]\n"
    );
    let options = ["--admin-listen", "127.0.0.1:0"];
    let stage = Stage::set(case, Setting { config: &config, options: &options, ..Setting::default() }).await;
    let token = stage.account("toolless", accounts::reader_rules()).await;
    let page = stage.host.page().await.unwrap();
    let web = "web-6d4f9c7b8d-k8pq2";
    stage
        .attack(async {
            let mut session = stage.session(&token).await;
            let arguments = json!({"namespace": "shop"});
            for name in [
                "pods_list_in_namespace",
                "pods_list_in_namespace ",
                "PODS_LIST_IN_NAMESPACE",
                "pods-list-in-namespace",
                "pods_list_in_namespace\u{0}",
            ] {
                let call = json!({"name": name, "arguments": arguments});
                // An error of the protocol, or an answer that says so.
                let streamed = match stage.client(&token).request("tools/call", call.clone()).await {
                    Ok(result) => result.to_string(),
                    Err(error) => error.to_string(),
                };
                let over_sse = session.exchange("tools/call", Some(call)).await.unwrap().to_string();
                for text in [streamed, over_sse] {
                    assert!(!text.contains(web), "{name:?}: {text}");
                }
            }
            // A member twice: whichever is taken, the tool that is called is the one that was checked.
            for [one, other] in [["namespaces_list", "pods_list_in_namespace"], ["pods_list_in_namespace", "namespaces_list"]] {
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{one}","arguments":{arguments},"name":"{other}"}}}}"#
                );
                let url = format!("{}/mcp", stage.host.origin);
                let answer = porthole_testbed::http::send("POST", &url, Some(&token), &body).await.unwrap();
                assert!(!answer.body.contains(web), "{body}: {}", answer.body);
            }
            let form = format!(":token={token}&namespace=shop");
            let request = http::Request::post(format!("{page}/tools/pods_list_in_namespace"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(http_body_util::Full::from(form))
                .unwrap();
            let response = porthole_testbed::http::client().request(request).await.unwrap();
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains("not open to this caller") && !text.contains(web), "{text}");
            let open = stage.client(&token).call("namespaces_list", json!({})).await.unwrap();
            assert!(open.contains("shop"), "{open}");
        })
        .await;
}

pub(crate) async fn continuation(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let (reader, nobody) = (stage.reader().await, stage.nobody().await);
    let admin = stage.cluster.admin().await.unwrap();
    let local = accounts::account(&admin, NAMESPACE, "local").await.unwrap();
    accounts::allow(&admin, (NAMESPACE, "local"), Some(NAMESPACE), accounts::reader_rules()).await.unwrap();
    let first = stage.client(&reader).call("pods_list", json!({"limit": 1})).await.unwrap();
    let token = continue_token(&first);
    let next = stage.client(&reader).call("pods_list", json!({"limit": 1, "continue": token})).await.unwrap();
    assert!(!next.starts_with("ERROR"), "{next}");
    stage
        .attack(async {
            for (stranger, is_local) in [(&nobody, false), (&local, true)] {
                let client = stage.client(stranger);
                // An account of one namespace gets its own there, as without the token.
                let everywhere = client.call("pods_list", json!({"continue": token})).await.unwrap();
                let refused = everywhere.starts_with("ERROR: forbidden");
                assert!(refused || is_local && !is_of_the_shop(&everywhere), "{everywhere}");
                let shop = json!({"namespace": "shop", "continue": token});
                let shop = client.call("pods_list_in_namespace", shop).await.unwrap();
                assert!(shop.starts_with("ERROR: forbidden"), "{shop}");
            }
            // Within the caller's own namespace the token of another list continues nothing of it.
            let own = json!({"namespace": NAMESPACE, "continue": token});
            let own = stage.client(&local).call("pods_list_in_namespace", own).await.unwrap();
            assert!(!is_of_the_shop(&own), "{own}");
        })
        .await;
}

fn is_of_the_shop(text: &str) -> bool {
    ["shop", "payments", "web-6d4f9c7b8d"].iter().any(|part| text.contains(part))
}

/// The token with which an answer says to go on.
fn continue_token(text: &str) -> String {
    let token = text.split("continue=").nth(1).and_then(|rest| rest.split_whitespace().next());
    token.unwrap_or_else(|| panic!("no continue token in {text}")).to_owned()
}
