//! Options of every list tool: order, projection, formats, pages, budgets.

use std::collections::BTreeSet;

use porthole_testbed::{
    http::Streamable,
    porthole::{Demo, Porthole},
};
use serde_json::{Value, json};

use crate::{reader, stages};

const LISTS: [&str; 7] = [
    "deployments_list",
    "events_list",
    "namespaces_list",
    "nodes_list",
    "pods_list",
    "pods_list_in_namespace",
    "resources_list",
];

/// Required arguments of a list tool.
fn needed(tool: &str) -> Value {
    match tool {
        "pods_list_in_namespace" | "events_list" => json!({"namespace": "shop"}),
        "resources_list" => json!({"kind": "ConfigMap", "namespace": "shop"}),
        // Excludes the objects of concurrent tests.
        "pods_list" => json!({"labelSelector": "app,app!=nginx"}),
        "deployments_list" => json!({"namespace": "shop"}),
        "namespaces_list" => json!({"fieldSelector": "metadata.name=shop"}),
        _ => json!({}),
    }
}

fn with(mut arguments: Value, more: Value) -> Value {
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_takes_the_same_arguments() {
    for stage in stages().await {
        let client = stage.client();
        for tool in LISTS {
            let call = async |more: Value| client.call(tool, with(needed(tool), more)).await.unwrap();
            let count = call(json!({"output": "count"})).await;
            let number: usize =
                count.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{tool}: {count}"));
            assert!(number > 0 && count.lines().count() == 1, "{tool}: {count}");
            let names = call(json!({"output": "names"})).await;
            assert_eq!(names.lines().count(), number, "{}, {tool}: {names}", stage.name);
            let json_text = call(json!({"output": "json", "fields": "metadata.uid", "limit": 1})).await;
            let items: Value = serde_json::from_str(&json_text).unwrap();
            assert!(items["items"][0]["metadata"]["name"].is_string(), "{tool}: {json_text}");
            let yaml = call(json!({"output": "yaml", "limit": 1})).await;
            assert!(yaml.starts_with("---\n") && yaml.contains("metadata:"), "{tool}: {yaml}");
            assert!(!yaml.contains("managedFields"), "{tool}: {yaml}");
            let first = call(json!({"limit": 1})).await;
            assert!(first.starts_with(&format!("{number} ")), "{tool} leads with its counts: {first}");
            if number > 1 {
                assert!(first.contains(&format!("shown 1 of {number}")), "{tool}: {first}");
            }
            let sorted = call(json!({"sortBy": "-metadata.name", "fields": "metadata.name"})).await;
            let names: Vec<&str> = sorted
                .lines()
                .skip_while(|line| !line.starts_with("NAME"))
                .skip(1)
                .filter_map(|line| line.split_whitespace().last())
                .collect();
            assert!(names.len() == number && names.is_sorted_by(|a, b| a >= b), "{tool}: {sorted}");
            let small = call(json!({"maxBytes": 2500})).await;
            assert!(small.len() <= 2500, "{tool}: {} bytes", small.len());
            let wrong = call(json!({"output": "picture"})).await;
            assert!(wrong.starts_with("ERROR: ") && wrong.contains("names, count"), "{tool}: {wrong}");
            let wrong = call(json!({"continue": "eyJ2IjoibWV0YSJ9"})).await;
            assert!(wrong.starts_with("ERROR: ") && wrong.contains("continue parameter"), "{tool}: {wrong}");
            let all = call(json!({"output": "count", "where": "metadata.name exists"})).await;
            assert!(
                all.starts_with(&format!("{number} of {number} ")) && all.contains(" match"),
                "{tool}: {all}"
            );
            let none = call(json!({"where": "metadata.name=nothing"})).await;
            assert!(none.starts_with(&format!("0 of {number} ")), "{tool}: {none}");
            let wrong = call(json!({"where": "metadata.name"})).await;
            assert!(
                wrong.starts_with("ERROR: where parameter: ") && wrong.contains("exists"),
                "{tool}: {wrong}"
            );
            let wrong = call(json!({"fields": "spec..x"})).await;
            assert!(wrong.starts_with("ERROR: ") && wrong.contains("spec..x"), "{tool}: {wrong}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_comes_first() {
    for stage in stages().await {
        let text =
            stage.client().call("pods_list", json!({"labelSelector": "app,app!=nginx"})).await.unwrap();
        let place = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name} is not in {text}"));
        for ill in
            ["CrashLoopBackOff  ", "ImagePullBackOff  ", "ledger-7d8c6f9b55-q7r3x", "web-7c9d5f6b49-hq4n6"]
        {
            assert!(place(ill) < place("web-6d4f9c7b8d-k8pq2"), "{}: {ill} in {text}", stage.name);
        }
        let counts = text.lines().next().unwrap();
        assert!(
            counts.contains("1 CrashLoopBackOff") && counts.contains("Running but not ready"),
            "{counts}"
        );
        let deployments =
            stage.client().call("deployments_list", json!({"namespace": "shop"})).await.unwrap();
        assert!(deployments.starts_with("5 deployments: 3 not complete, 2 complete\n"), "{deployments}");
        let claims = stage.client().call("resources_list", json!({"kind": "pvc"})).await.unwrap();
        assert!(
            claims.contains("1 Bound, 1 Pending")
                && claims.find("ledger-archive") < claims.find("data-cart-db-0")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_counted_by_their_values() {
    for stage in stages().await {
        let counts = stage
            .client()
            .call(
                "pods_list_in_namespace",
                json!({"namespace": "shop", "output": "count", "fields": "spec.containers[].image"}),
            )
            .await
            .unwrap();
        assert!(counts.starts_with("9 pods: 2 registry.example.com/shop/web:1.8.3, 1 "), "{counts}");
    }
}

/// Number of table rows, or of names.
fn rows(text: &str) -> usize {
    let header = |line: &str| line.starts_with("NAME") || line.starts_with("LAST-SEEN");
    let before = text.lines().position(header).map_or(0, |at| at + 1);
    text.lines().skip(before).filter(|line| !line.starts_with("shown ")).count()
}

/// Checks every order, with small pages.
#[tokio::test(flavor = "multi_thread")]
async fn following_continue_shows_each_object_once() {
    for stage in stages().await {
        let client = stage.client();
        for tool in ["pods_list", "events_list", "deployments_list", "resources_list"] {
            let all: BTreeSet<String> = client
                .call(tool, with(needed(tool), json!({"output": "names"})))
                .await
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect();
            for more in [
                json!({"limit": 2}),
                json!({"limit": 3, "output": "names"}),
                json!({"limit": 2, "sortBy": "-age"}),
                json!({"limit": 4, "fields": "metadata.name"}),
                json!({"limit": 2, "output": "json", "fields": "metadata.name"}),
                json!({"limit": 2, "where": "metadata.name ~ ., metadata.creationTimestamp<365d"}),
                json!({"limit": 3, "output": "json", "fields": "metadata.name", "where": "metadata.name exists"}),
            ] {
                let mut arguments = with(needed(tool), more.clone());
                let mut shown = 0;
                loop {
                    let text = client.call(tool, arguments.clone()).await.unwrap();
                    shown += match text.split_once("\"items\":") {
                        Some(_) => {
                            serde_json::from_str::<Value>(&text).unwrap()["items"].as_array().unwrap().len()
                        }
                        None => rows(&text),
                    };
                    match text.split_once("continue=") {
                        Some((_, token)) => {
                            arguments["continue"] = token.trim_end_matches(['}', '"', '\n']).into();
                        }
                        None => break,
                    }
                    assert!(shown <= all.len(), "{}, {tool} {more} shows objects twice", stage.name);
                }
                assert_eq!(shown, all.len(), "{}, {tool} {more}", stage.name);
            }
        }
    }
}

/// Conditions choose what the API server's own selectors choose, and what those cannot.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_choose_as_selectors_do() {
    for stage in stages().await {
        let client = stage.client();
        let list = async |tool: &str, more: Value| {
            let text = client.call(tool, with(needed(tool), more)).await.unwrap();
            let lines = text.lines().filter(|line| !line.contains(" match"));
            lines.map(str::to_owned).collect::<BTreeSet<String>>()
        };
        for (tool, selector, condition) in [
            ("pods_list", json!({"fieldSelector": "status.phase!=Running"}), "status.phase!=Running"),
            ("pods_list", json!({"fieldSelector": "spec.nodeName=node-1"}), "spec.nodeName=node-1"),
            ("pods_list_in_namespace", json!({"labelSelector": "app=web"}), "metadata.labels.app=web"),
            ("events_list", json!({"fieldSelector": "type=Warning"}), "type=Warning"),
            ("resources_list", json!({"fieldSelector": "metadata.name!=x"}), "metadata.name!=x"),
        ] {
            let selected = list(tool, with(selector, json!({"output": "names"}))).await;
            let chosen = list(tool, json!({"where": condition, "output": "names"})).await;
            assert_eq!(chosen, selected, "{}, {tool} {condition}", stage.name);
            assert!(!chosen.is_empty(), "{}, {tool} {condition}", stage.name);
        }
        let restarted = client
            .call(
                "pods_list",
                with(needed("pods_list"), json!({"where": "status.containerStatuses[].restartCount>10"})),
            )
            .await
            .unwrap();
        assert!(
            restarted.contains("cart-5b8f7d9c64-mz7wl") && !restarted.contains("web-6d4f9c7b8d-k8pq2"),
            "{restarted}"
        );
        let first = restarted.lines().next().unwrap();
        assert!(first.contains(" of ") && first.contains(" pods match: "), "{first}");
    }
}

/// An object larger than an answer neither ends the list nor repeats forever.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_larger_than_an_answer_is_passed_by() {
    let (cluster, token) = reader().await;
    let client = cluster.admin().await.unwrap();
    porthole_testbed::accounts::namespace(&client, "large").await.unwrap();
    for (name, size) in [("a-small", 10), ("b-large", 100_000), ("c-small", 10)] {
        let map = json!({"metadata": {"name": name}, "data": {"text": "x".repeat(size)}});
        let path = "/api/v1/namespaces/large/configmaps";
        porthole_testbed::accounts::create(&client, path, &map).await.unwrap();
    }
    let host = Porthole::start(&cluster.kubeconfig).await;
    let client = Streamable::new(&host.origin, Some(&token));
    for more in [json!({"output": "yaml"}), json!({"output": "json"}), json!({"fields": "data"})] {
        let mut arguments = with(json!({"kind": "ConfigMap", "namespace": "large"}), more.clone());
        let (mut said, mut pages) = (String::new(), 0);
        loop {
            let text = client.call("resources_list", arguments.clone()).await.unwrap();
            assert!(text.len() <= 32 << 10 && !text.starts_with("ERROR"), "{more}: {} bytes", text.len());
            said.push_str(&text);
            pages += 1;
            assert!(pages <= 3, "{more}: the same again");
            match text.split_once("continue=") {
                Some((_, token)) => arguments["continue"] = token.trim_end_matches(['}', '"', '\n']).into(),
                None => break,
            }
        }
        for name in ["a-small", "b-large", "c-small"] {
            assert!(said.contains(name), "{more}: {name} is missing");
        }
        assert!(said.contains("more than an answer has room for") || said.contains("… (cut)"), "{more}");
    }
}

/// Checks a cluster that serves OpenShift's kind; on others the tool reports that it is missing.
#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_where_the_cluster_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: projects.project.openshift.io}\nspec: {group: project.openshift.io, scope: Cluster, names: {plural: projects, singular: project, kind: Project}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n---\napiVersion: project.openshift.io/v1\nkind: Project\nmetadata: {name: team-a}\n";
    std::fs::write(folder.path().join("a.yaml"), manifests).unwrap();
    let demo = Demo::start(Some(folder.path())).await.unwrap();
    let client = Streamable::new(&demo.host.origin, Some(&demo.token("admin")));
    let listed = client.call("projects_list", json!({})).await.unwrap();
    assert!(listed.starts_with("1 projects\n") && listed.contains("team-a"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_chooses_the_tools() {
    let (cluster, token) = reader().await;
    let chosen = "tools:\n  enabled: [pods_list, namespaces_list, pods_log]\n  disabled: []\n  pods_list:\n    limits: {output: 4Ki}\n";
    let host = Porthole::configured(&cluster.kubeconfig, chosen).await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    let listed = client.request("tools/list", json!({})).await.unwrap();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["namespaces_list", "pods_list", "pods_log"]);
    let closed = client.call("nodes_list", json!({})).await.unwrap();
    assert!(closed.contains("the operator has closed it"), "{closed}");
    let unknown = client.call("pods_lits", json!({})).await.unwrap();
    assert!(unknown.contains("The nearest: pods_list"), "{unknown}");
    assert!(client.call("pods_list", json!({})).await.unwrap().len() <= 4096);
    let host = Porthole::configured(&cluster.kubeconfig, "tools: {disabled: [nodes_log, pods_lst]}\n")
        .await
        .unwrap();
    // A misspelt name excludes nothing, so the host warns.
    host.until_logged("which no file has; is pods_list meant?").await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    let listed = client.request("tools/list", json!({})).await.unwrap();
    assert_eq!(listed["tools"].as_array().unwrap().len(), porthole_testbed::porthole::number_of_tools() - 1);
}
