//! Every tool, on real objects, over both transports.

mod cases;

use porthole_testbed::{
    dify::Dify,
    http::Streamable,
    porthole::{Demo, Porthole},
};
use serde_json::json;

use crate::{Stage, reader, stages};
use cases::cases;

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_answers_for_real_objects_over_both_transports() {
    for stage in stages().await {
        every_tool_answers_on(&stage).await;
    }
}

async fn every_tool_answers_on(stage: &Stage) {
    let streamable = stage.client();
    let listed = streamable.request("tools/list", json!({})).await.unwrap();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "access_check",
            "api_resources_list",
            "changes",
            "configuration_view",
            "deployments_list",
            "diagnose",
            "diagnose_custom",
            "events_list",
            "find",
            "helm_list",
            "namespaces_list",
            "nodes_get",
            "nodes_list",
            "nodes_log",
            "nodes_stats_summary",
            "nodes_top",
            "pods_get",
            "pods_list",
            "pods_list_in_namespace",
            "pods_log",
            "pods_top",
            "projects_list",
            "resources_describe",
            "resources_explain",
            "resources_get",
            "resources_list"
        ]
    );
    for name in names {
        assert!(cases().iter().any(|(tool, ..)| *tool == name), "{name} has no case");
    }
    for (tool, arguments, expected) in cases() {
        let over_mcp = streamable.call(tool, arguments.clone()).await.unwrap();
        let over_sse =
            Dify::visit(&stage.host.origin, Some(&stage.token), tool, arguments.clone()).await.unwrap();
        for (transport, text) in [("/mcp", over_mcp), ("/sse", over_sse)] {
            for part in &expected {
                assert!(
                    text.contains(part),
                    "{}, {transport} {tool} {arguments}: no {part:?} in\n{text}",
                    stage.name
                );
            }
            assert!(!text.starts_with('['), "Dify takes a list apart: {text}");
        }
    }
    let view = streamable.call("configuration_view", json!({})).await.unwrap();
    assert!(view.contains(&format!("version: {}\n", stage.version)), "{view}");
    let only =
        streamable.call("namespaces_list", json!({"fieldSelector": "metadata.name=shop"})).await.unwrap();
    assert!(!only.contains("payments"), "{only}");
    let none = streamable.call("pods_list", json!({"labelSelector": "app=nothing"})).await.unwrap();
    assert_eq!(none, "No pods that match the selector.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_answered_with_what_to_do() {
    for stage in stages().await {
        mistakes_on(&stage).await;
    }
}

async fn mistakes_on(stage: &Stage) {
    let streamable = stage.client();
    for (tool, arguments, expected) in [
        ("pods_get", json!({}), "name parameter required"),
        ("pods_get", json!({"name": "not-found"}), "pods \"not-found\" not found"),
        (
            "pods_log",
            json!({"name": "web-6d4f9c7b8d-k8pq2", "namespace": "shop", "container": "nope"}),
            "container nope is not valid for pod web-6d4f9c7b8d-k8pq2",
        ),
        (
            "pods_log",
            json!({"name": "web-6d4f9c7b8d-k8pq2", "namespace": "shop", "previous": true}),
            "previous terminated container",
        ),
        (
            "pods_log",
            json!({"name": "web-6d4f9c7b8d-k8pq2", "tail": "many"}),
            "tail parameter must be an integer",
        ),
        ("pods_list_in_namespace", json!({}), "namespace parameter required"),
        (
            "pods_list_in_namespace",
            json!({"namespace": "shpo"}),
            // The tool does not declare the list of namespaces, so it cannot suggest names.
            "namespace \"shpo\" does not exist. namespaces_list has those there are.",
        ),
        ("resources_list", json!({"kind": "cm", "namespace": "shpo"}), "The nearest: shop."),
        ("events_list", json!({"namespace": "zzz"}), "namespaces_list has those there are"),
        ("pods_list", json!({"labelSelector": "a=b=c"}), "labelSelector"),
        ("pods_list", json!({"selector": "x"}), "unknown argument \"selector\""),
        (
            "resources_list",
            json!({"kind": "Custom", "apiVersion": "custom.example.com/v1"}),
            "no matches for kind \"Custom\" in version \"custom.example.com/v1\"",
        ),
        ("resources_list", json!({"kind": "pods", "apiVersion": "a/b/c"}), "invalid argument apiVersion"),
        ("resources_get", json!({"kind": "deploymnt", "name": "web"}), "deployments.apps"),
        ("resources_get", json!({"kind": "pods", "name": "../../../secrets/db"}), "is not a name"),
        ("pods_exec", json!({"name": "web-6d4f9c7b8d-k8pq2"}), "only reads"),
        ("pods_lits", json!({}), "pods_list"),
    ] {
        let text = streamable.call(tool, arguments.clone()).await.unwrap();
        assert!(text.starts_with("ERROR: "), "{}, {tool} {arguments}: {text}", stage.name);
        assert!(text.contains(expected), "{}, {tool} {arguments}: no {expected:?} in {text}", stage.name);
    }
    // A call without the member `arguments`.
    let result = streamable.request("tools/call", json!({"name": "namespaces_list"})).await.unwrap();
    assert_eq!(result["isError"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_ends_with_the_way_to_the_rest() {
    for stage in stages().await {
        let streamable = stage.client();
        let mut seen = Vec::new();
        let mut arguments = json!({"namespace": "payments", "limit": 1});
        loop {
            let text = streamable.call("pods_list_in_namespace", arguments.clone()).await.unwrap();
            // The first page begins with the counts.
            let row = text.lines().skip_while(|line| !line.starts_with("NAME")).nth(1).unwrap();
            seen.push(row.split_whitespace().next().unwrap().to_owned());
            match text.split_once("continue=") {
                Some((_, token)) => arguments["continue"] = token.trim().into(),
                None => break,
            }
        }
        let apps = ["gateway", "receipts", "settlement", "ledger"];
        assert_eq!(seen.len(), apps.len(), "{}: {seen:?}", stage.name);
        assert!(seen.iter().zip(apps).all(|(pod, app): (&String, &str)| pod.starts_with(app)), "{seen:?}");
    }
}

/// No schema may contain what Dify drops or fails on (docs/research/dify-client.md §1.5).
#[tokio::test(flavor = "multi_thread")]
async fn every_schema_is_in_the_safe_subset_and_every_argument_is_coerced() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    let listed = streamable.request("tools/list", json!({})).await.unwrap();
    // Every model pays for it in every conversation: 4,450 tokens of o200k at 19.0 kB (`cargo xtask bench tokens`),
    // 5,000 wanted.
    assert!(listed["tools"].to_string().len() < 21_000, "{} bytes", listed["tools"].to_string().len());
    for tool in listed["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{name}");
        let properties = tool["inputSchema"]["properties"].as_object().unwrap();
        for (argument, property) in properties {
            let ty =
                property["type"].as_str().unwrap_or_else(|| panic!("{name}.{argument} has no single type"));
            assert!(
                ["string", "integer", "number", "boolean", "array"].contains(&ty),
                "{name}.{argument}: {ty}"
            );
            assert!(
                !property["description"].as_str().unwrap_or_default().is_empty(),
                "{name}.{argument} says nothing"
            );
            if let Some(default) = property.get("default") {
                assert!(
                    property["description"].as_str().unwrap().contains(&default.to_string()),
                    "{name}.{argument}"
                );
            }
            let wrong = match ty {
                "integer" | "number" => json!("abc"),
                "boolean" => json!("perhaps"),
                _ => json!({"an": "object"}),
            };
            let text = streamable.call(name, json!({argument.clone(): wrong})).await.unwrap();
            assert!(
                text.starts_with("ERROR: ") && text.contains(&format!("{argument} parameter must be")),
                "{name}: {text}"
            );
            // Blank values, as sent by older Dify and by models.
            let plain = match ty {
                "integer" => vec![json!(null), json!(""), json!("5"), json!(5.0)],
                "boolean" => vec![json!(null), json!(""), json!("true"), json!("false"), json!(1)],
                _ => vec![json!(null), json!(" "), json!(5), json!(["a", "b"])],
            };
            for value in plain {
                let text = streamable.call(name, json!({argument.clone(): value})).await.unwrap();
                assert!(!text.contains("parameter must be a"), "{name}.{argument} = {value}: {text}");
            }
        }
        let text = streamable.call(name, json!({"no_such_argument": 1})).await.unwrap();
        assert!(text.contains("unknown argument"), "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_secret_leaves_the_host() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = porthole_testbed::accounts::account(&client, "tests", "secret-reader").await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]);
    porthole_testbed::accounts::allow(&client, ("tests", "secret-reader"), None, rules).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    no_secret_in(Streamable::new(&host.origin, Some(&token))).await;
    let demo = Demo::start(None).await.unwrap();
    no_secret_in(Streamable::new(&demo.host.origin, Some(&demo.token("admin")))).await;
}

async fn no_secret_in(streamable: Streamable) {
    let one = streamable
        .call("resources_get", json!({"kind": "Secret", "name": "cart-db", "namespace": "shop"}))
        .await
        .unwrap();
    assert!(one.contains("password: <redacted>"), "{one}");
    let all =
        streamable.call("resources_list", json!({"kind": "secrets", "namespace": "shop"})).await.unwrap();
    assert!(all.contains("Opaque"), "{all}");
    for text in [one, all] {
        // Plain, in base64, and in the last-applied annotation.
        for secret in ["hunter2", "aHVudGVyMi1pbi1jbGVhcg"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// A custom resource says little of itself: the Deployment that it owns has no pods, and what it refers to is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_custom_resource_is_judged_by_its_words_and_by_what_it_owns() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = porthole_testbed::accounts::account(&client, "tests", "gadgeteer").await.unwrap();
    let rules = json!([{"apiGroups": ["gadgets.example.com", "apps", ""], "resources": ["*"], "verbs": ["get", "list"]}]);
    porthole_testbed::accounts::allow(&client, ("tests", "gadgeteer"), None, rules).await.unwrap();
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.gadgets.example.com}\nspec: {group: gadgets.example.com, scope: Namespaced, names: {plural: gadgets, kind: Gadget}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}\n";
    porthole_testbed::fixtures::apply(&client, crd).await.unwrap();
    let path = "/apis/gadgets.example.com/v1/namespaces/tests/gadgets";
    porthole_testbed::fixtures::served(&client, path).await.unwrap();
    let conditions = json!([{"type": "Available", "status": "False", "reason": "NoReplicas", "message": "0 of 2 replicas", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let gadget = json!({"apiVersion": "gadgets.example.com/v1", "kind": "Gadget", "metadata": {"name": "orders-db"},
        "spec": {"modelRef": {"kind": "Gadget", "name": "basis"}}, "status": {"conditions": conditions}});
    let gadget = porthole_testbed::accounts::send(&client, "POST", path, &gadget).await.unwrap();
    let owner = json!({"apiVersion": "gadgets.example.com/v1", "kind": "Gadget", "name": "orders-db", "uid": gadget["metadata"]["uid"], "controller": true});
    let labels = json!({"app": "orders-db"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "orders-db", "ownerReferences": [owner]},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}}}});
    porthole_testbed::accounts::send(
        &client,
        "POST",
        "/apis/apps/v1/namespaces/tests/deployments",
        &deployment,
    )
    .await
    .unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    for arguments in [
        json!({"name": "orders-db", "kind": "gadgets"}),
        json!({"name": "gadget/orders", "namespace": "tests"}),
        json!({"kind": "Gadget"}),
    ] {
        let answer = streamable.call("diagnose_custom", arguments).await.unwrap();
        for part in [
            "Gadget tests/orders-db (gadgets.example.com): not well, its condition Available is False (NoReplicas)",
            "[custom-reference] Gadget tests/orders-db: it refers to Gadget basis, which does not exist",
            "`0 of 2 replicas` [status of Gadget tests/orders-db]",
            "owns: Deployment tests/orders-db",
            "(forbidden)",
        ] {
            assert!(answer.contains(part), "no {part:?} in {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_installed_later_is_found() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = porthole_testbed::accounts::account(&client, "tests", "widgeteer").await.unwrap();
    let rules = json!([{"apiGroups": ["example.com"], "resources": ["*"], "verbs": ["get", "list"]}]);
    porthole_testbed::accounts::allow(&client, ("tests", "widgeteer"), None, rules).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    let before = streamable.call("resources_list", json!({"kind": "widgets"})).await.unwrap();
    assert!(before.contains("no matches for kind"), "{before}");
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\nspec: {group: example.com, scope: Namespaced, names: {plural: widgets, kind: Widget, shortNames: [wd]}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n";
    porthole_testbed::fixtures::apply(&client, crd).await.unwrap();
    let begun = std::time::Instant::now();
    loop {
        let after = streamable.call("resources_list", json!({"kind": "wd"})).await.unwrap();
        if after == "No wd objects." {
            break;
        }
        assert!(begun.elapsed().as_secs() < 30, "{after}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
