//! Pagination of ten thousand pods, some of which are created and deleted meanwhile; and what questions about them cost.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]
#![allow(clippy::print_stderr, reason = "the table of costs is for developers")]

mod costs;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use porthole_testbed::{
    accounts::{self, create, send},
    cluster::Cluster,
    fixtures,
    http::Streamable,
    porthole::Porthole,
};
use serde_json::{Value, json};

const PODS: usize = 10_000;
/// Default of the limit `output`.
const BUDGET: usize = 32 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_that_lives_throughout_is_shown_exactly_once() {
    let cluster = Cluster::for_tests();
    fixtures::pods(&cluster, PODS).await.unwrap();
    let client = cluster.admin().await.unwrap();
    // Unhealthy pods at both ends and in the middle: they lead the list, and must not be repeated.
    for n in [3, 5_001, 9_998] {
        let (namespace, app) = (n % 5 + 1, n % 40);
        let path = format!("/api/v1/namespaces/load-{namespace}/pods/app-{app}-{n:05}/status");
        send(&client, "PATCH", &path, &json!({"status": {"phase": "Failed", "reason": "Evicted"}}))
            .await
            .unwrap();
    }
    let token = accounts::account(&client, "load-1", "reader").await.unwrap();
    accounts::allow(&client, ("load-1", "reader"), None, accounts::reader_rules()).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    // The API server contains objects of other suites too.
    let arguments = |more: Value| {
        let mut all = json!({"labelSelector": "release=stable"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let first = streamable.call("pods_list", arguments(json!({}))).await.unwrap();
    assert!(first.len() <= BUDGET, "{} bytes", first.len());
    assert!(first.starts_with(&format!("{PODS} pods: {} Running, 3 Evicted\n", PODS - 3)), "{first:.200}");
    let leading: Vec<&str> = first.lines().skip(2).take(3).collect();
    assert!(leading.iter().all(|row| row.contains("Evicted")), "{leading:?}");
    let last = first.lines().last().unwrap();
    assert!(last.starts_with("shown ") && last.contains(&format!("of {PODS}; ")), "{last}");

    // Their causes, within the default limits: whole pods of a few stand for the others.
    for (arguments, expected) in [
        (
            json!({"namespace": "load-4"}),
            vec!["[evicted] Pod load-4/app-3-00003", "[evicted] Pod load-4/app-38-09998"],
        ),
        (json!({"name": "app-1-05001"}), vec!["[evicted] Pod load-2/app-1-05001", "of 2000 pods of load-2"]),
        (json!({}), vec![]),
    ] {
        let answer = streamable.call("diagnose", arguments.clone()).await.unwrap();
        assert!(!answer.starts_with("ERROR") && !answer.contains("its limit"), "{arguments}: {answer}");
        for part in expected {
            assert!(answer.contains(part), "{arguments}: no {part:?} in {answer}");
        }
    }

    costs::stay_within_the_limits(&host, &streamable).await;

    let done = AtomicBool::new(false);
    let paging = async {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let (mut text, mut pages) = (first, 1);
        loop {
            assert!(text.len() <= BUDGET, "{} bytes", text.len());
            for row in text.lines().filter(|row| row.starts_with("load-")) {
                let mut cells = row.split_whitespace();
                let pod = format!("{}/{}", cells.next().unwrap(), cells.next().unwrap());
                *seen.entry(pod).or_default() += 1;
            }
            let Some((_, token)) = text.split_once("continue=") else { break };
            let token = token.trim().to_owned();
            text = streamable.call("pods_list", arguments(json!({"continue": token}))).await.unwrap();
            pages += 1;
        }
        done.store(true, Ordering::Relaxed);
        (seen, pages)
    };
    let churn = async {
        let mut churned = 0;
        while !done.load(Ordering::Relaxed) {
            // Deletes an existing pod and creates a new one, in each namespace in turn.
            let n = churned * 7 % PODS;
            let (namespace, app) = (n % 5 + 1, n % 40);
            let pods = format!("/api/v1/namespaces/load-{namespace}/pods");
            let gone = json!({"gracePeriodSeconds": 0});
            let _ = send(&client, "DELETE", &format!("{pods}/app-{app}-{n:05}"), &gone).await;
            let new = json!({"metadata": {"name": format!("new-{churned:05}"), "labels": {"release": "stable"}},
                "spec": {"containers": [{"name": "app", "image": "x"}]}});
            create(&client, &pods, &new).await.unwrap();
            churned += 1;
        }
        churned
    };
    let ((seen, pages), churned) = tokio::join!(paging, churn);
    assert!(churned > 20 && pages > 30, "{churned} pods came and went during {pages} pages");
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "shown twice: {twice:?}");
    let gone: Vec<usize> = (0..churned).map(|churned| churned * 7 % PODS).collect();
    let missing: Vec<String> = (0..PODS)
        .filter(|n| !gone.contains(n))
        .map(|n| format!("load-{}/app-{}-{n:05}", n % 5 + 1, n % 40))
        .filter(|pod| !seen.contains_key(pod))
        .collect();
    assert!(missing.is_empty(), "{} never shown, for example {:?}", missing.len(), missing.first());
    eprintln!("{pages} pages, {churned} pods came and went");
}
