//! Logs: by pod, workload and label; filtered, folded, truncated; and logs designed to break a reader.

use porthole_testbed::{accounts, cluster::Cluster, fixtures, http::Streamable, porthole::Porthole};
use serde_json::{Value, json};

use crate::{endless_log, reader, stages};

/// Creates a running pod with the log `text`.
async fn pod(cluster: &Cluster, name: &str, text: &str) {
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "logs").await.unwrap();
    let body = json!({"metadata": {"name": name, "labels": {"logs": name}}, "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]}});
    accounts::create(&client, "/api/v1/namespaces/logs/pods", &body).await.unwrap();
    fixtures::write_log(cluster, &format!("logs/{name}/app.log"), text).unwrap();
}

fn of(name: &str, more: Value) -> Value {
    let mut arguments = json!({"name": name, "namespace": "logs"});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_or_a_label_names_many_logs() {
    for stage in stages().await {
        let client = stage.client();
        for arguments in [
            json!({"name": "deployment/web", "namespace": "shop"}),
            json!({"name": "deploy/web", "namespace": "shop"}),
            json!({"name": "svc/web", "namespace": "shop"}),
            json!({"labelSelector": "app=web", "namespace": "shop"}),
        ] {
            let text = client.call("pods_log", arguments.clone()).await.unwrap();
            for pod in ["web-6d4f9c7b8d-k8pq2", "web-6d4f9c7b8d-x2x7q", "web-7c9d5f6b49-hq4n6"] {
                assert!(text.contains(&format!("== {pod}/web ==")), "{} {arguments}: {text}", stage.name);
            }
            // The unready pod comes first, and its repeated lines are folded.
            assert!(text.starts_with("== web-7c9d5f6b49-hq4n6/web ==\n"), "{text}");
            assert!(text.contains("variable BANNER_URL is not set\n… 3 times\n"), "{text}");
        }
        let all = json!({"name": "cart-5b8f7d9c64-mz7wl", "namespace": "shop", "container": "*"});
        let both = client.call("pods_log", all).await.unwrap();
        assert!(
            both.contains("/proxy ==\nproxy 0.9.1 is ready") && both.contains("/cart ==\nINFO"),
            "{both}"
        );
        let none =
            client.call("pods_log", json!({"name": "deployment/nope", "namespace": "shop"})).await.unwrap();
        assert!(none.starts_with("ERROR: ") && none.contains("not found"), "{none}");
        let nobody = client.call("pods_log", json!({})).await.unwrap();
        assert!(nobody.contains("name parameter required"), "{nobody}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_searched_and_what_was_cut_is_said() {
    let (cluster, token) = reader().await;
    let log: String = (1..=2000)
        .map(|n| if n == 1234 { "order 777-X is lost\n".to_owned() } else { format!("request {n} served\n") })
        .collect();
    pod(&cluster, "api", &log).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let client = Streamable::new(&host.origin, Some(&token));
    let call = async |more: Value| client.call("pods_log", of("api", more)).await.unwrap();
    let whole = "read lines 1 to 2000, bytes 1 to 38893, 2026-11-23T10:00:00Z to 10:00:01Z; not read: rotated files (not in the API)]\n";
    let found = call(json!({"grep": "777-x", "tail": 2001, "context": 1})).await;
    assert_eq!(
        found,
        format!(
            "request 1233 served\norder 777-X is lost\nrequest 1235 served\n[1 match, 2026-11-23T10:00:01Z; {whole}"
        )
    );
    let minded = call(json!({"grep": "(?-i)777-x"})).await;
    assert_eq!(minded, format!("None of the 2000 lines read fits grep.\n[{whole}"));
    let others = call(json!({"grep": "served", "grepInvert": true})).await;
    assert_eq!(others, format!("order 777-X is lost\n[1 match, 2026-11-23T10:00:01Z; {whole}"));
    let excluded = call(json!({"grep": "7$|1234|lost|17", "exclude": "served"})).await;
    assert_eq!(excluded, others);
    let default = call(json!({})).await;
    assert_eq!((default.lines().count(), default.lines().next()), (101, Some("request 1901 served")));
    assert!(default.ends_with("[read the last 100 lines, 2000 bytes, 2026-11-23T10:00:01Z to 10:00:01Z; not read: older lines, rotated files (not in the API)]\n"), "{default}");
    let small = call(json!({"tail": 2000, "maxBytes": 2000})).await;
    assert!(
        small.len() <= 2000
            && small.contains("lines not shown …]\nrequest 1")
            && small.contains("request 2000 served\n[read the last 2000 lines"),
        "{small}"
    );
    let full = call(json!({"grep": "served", "maxBytes": 3000})).await;
    assert!(
        full.len() <= 3000
            && full.starts_with("request 1 served\n")
            && full.contains(" matches not shown …]\n")
            && full.contains(
                "request 2000 served\n[1999 matches, 2026-11-23T10:00:00Z to 10:00:01Z; read lines 1"
            ),
        "{full}"
    );
    let few = call(json!({"grep": "served", "matches": 3})).await;
    assert!(
        few.starts_with(
            "request 1 served\n[… 1996 matches not shown …]\nrequest 1999 served\nrequest 2000 served\n"
        ),
        "{few}"
    );
    let until = call(json!({"untilTime": "2026-11-23T10:00:00.004Z"})).await;
    assert!(
        until.starts_with("request 1 served\n")
            && until.contains("request 5 served\n[read ")
            && until.contains("not read: ")
            && until.contains("later lines"),
        "{until}"
    );
    let both = call(json!({"bothRuns": true, "tail": 1})).await;
    assert!(
        both.starts_with("== api, the run before ==\nERROR: ")
            && both.contains("== api, this run ==\nrequest 2000"),
        "{both}"
    );
    let stamped = call(json!({"tail": 1, "timestamps": true})).await;
    assert!(stamped.starts_with("20") && stamped.contains("Z request 2000 served"), "{stamped}");
    let since = call(json!({"sinceTime": "yesterday"})).await;
    assert!(since.starts_with("ERROR: ") && since.contains("sinceTime"), "{since}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_counts_the_shapes_of_all_lines_and_errors_come_first() {
    let (cluster, token) = reader().await;
    let log: String = (1..=30_000)
        .map(|n| match n {
            11 | 29_999 => format!("ERROR order {n}: connection refused\n"),
            _ => format!("request #{n} served in {n}ms\n"),
        })
        .collect();
    pod(&cluster, "shapes", &log).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let client = Streamable::new(&host.origin, Some(&token));
    let call = async |more: Value| client.call("pods_log", of("shapes", more)).await.unwrap();
    let shapes = call(json!({"output": "digest"})).await;
    let expected = "30000 lines of 2 shapes: erring ones first, then rare ones; <*> where their lines differ
2x 2026-11-23T10:00:00Z to 10:00:29Z ERROR order <*>: connection refused
29998x 2026-11-23T10:00:00Z to 10:00:29Z request #<*> served in <*>
[read lines 1 to 30000, bytes 1 to ";
    assert!(shapes.starts_with(expected), "{shapes}");
    let found = call(json!({"output": "digest", "grep": "order", "untilTime": "2026-11-23T10:00:10Z"})).await;
    assert!(
        found.starts_with("1 lines of 1 shapes: ")
            && found.contains("\n1x 2026-11-23T10:00:00Z ERROR order 11: connection refused\n[1 match, "),
        "{found}"
    );
}

/// A line of 200 MB, an endless log, and a pattern on which a backtracking engine would hang.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_made_to_break_a_reader_is_answered_within_the_limits() {
    let (cluster, token) = reader().await;
    pod(&cluster, "one-line", &"x".repeat(200 << 20)).await;
    pod(&cluster, "evil", &format!("{}!\n", "a".repeat(50_000))).await;
    endless_log(&cluster, "searched").await;
    // Time for 200 MB on a busy machine; logs that never end are read for as long as a call may take.
    let patient = Porthole::configured(&cluster.kubeconfig, "limits: {timeout: 10m}\n").await.unwrap();
    let patient = Streamable::new(&patient.origin, Some(&token));
    let host = Porthole::configured(&cluster.kubeconfig, "limits: {timeout: 5s}\n").await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    let line = patient.call("pods_log", of("one-line", json!({}))).await.unwrap();
    assert!(
        line.len() <= 32 << 10
            && line.contains("xxx… [cut: a line of over 16384 bytes]\n[read ")
            && line.contains("the log goes on (the lines are too long)"),
        "{line}"
    );
    let searched = patient.call("pods_log", of("one-line", json!({"grep": "y"}))).await.unwrap();
    assert!(
        searched.starts_with("None of the 1 lines read fits grep.\n[read ")
            && searched.contains("what 1 long lines have behind 16 KiB"),
        "{searched}"
    );
    let endless = json!({"name": "searched", "namespace": "endless"});
    let text = client.call("pods_log", endless.clone()).await.unwrap();
    assert!(text.contains("tick 0") && text.contains("the log goes on"), "{text}");
    let mut grep = endless;
    grep["grep"] = "tick 7 ".into();
    let text = client.call("pods_log", grep).await.unwrap();
    assert!(text.starts_with("tick 7 ") && text.contains("the log goes on"), "{text}");
    // A backtracking engine would be at the first of them when the call's time is over.
    for pattern in ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let text = patient.call("pods_log", of("evil", json!({"grep": pattern}))).await.unwrap();
        assert!(text.contains("None of the 1 lines read fits grep."), "{pattern}: {text}");
    }
    for pattern in ["(", "(?=a)", "((a{100}){100}){100}"] {
        let text = client.call("pods_log", of("evil", json!({"grep": pattern}))).await.unwrap();
        assert!(text.starts_with("ERROR: ") && text.contains("the pattern"), "{pattern}: {text}");
    }
}

/// A log of 100 MB of which the first, the middle and the last hundredth have a needle.
fn haystack() -> String {
    const LINES: usize = 1_000_000;
    let mut log = String::with_capacity(101 << 20);
    for n in 0..LINES {
        let line = match n {
            5_000 => "NEEDLE one",
            500_000 => "needle two",
            995_000 => "Needle three",
            _ => "GET /products/17 200 31ms user=4711 agent=curl/8.14 trace=0af7651916cd43dd8448eb211c80319c",
        };
        log.push_str(&format!("{n:07} {line}\n"));
    }
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn needles_in_a_log_of_100_mb_are_found_or_said_to_be_where_it_was_not_read() {
    let (cluster, token) = reader().await;
    let log = haystack();
    assert!(log.len() > 98_000_000);
    pod(&cluster, "haystack", &log).await;
    let needles = ["0005000 NEEDLE one", "0500000 needle two", "0995000 Needle three"];
    let ask = json!({"grep": "needle"});
    let host = Porthole::configured(&cluster.kubeconfig, "limits: {timeout: 10m}\n").await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    let text = client.call("pods_log", of("haystack", ask.clone())).await.unwrap();
    assert_eq!(text.lines().take(3).collect::<Vec<_>>(), needles, "{text}");
    let account = "[3 matches, 2026-11-23T10:00:05Z to 10:16:35Z; read lines 1 to 1000000, bytes 1 to ";
    assert!(text.contains(account), "{text}");
    // A part of the log: its end and its beginning are read, and what is between is named.
    let host =
        Porthole::configured(&cluster.kubeconfig, "limits: {timeout: 10m, logBytes: 48Mi}\n").await.unwrap();
    let client = Streamable::new(&host.origin, Some(&token));
    let text = client.call("pods_log", of("haystack", ask)).await.unwrap();
    assert!(text.starts_with(&format!("{}\n[…]\n{}\n[1 match", needles[0], needles[2])), "{text}");
    assert!(
        text.contains("and the last 100000 lines, ")
            && text.contains("not read: the lines between, 2026-11-23T10:0")
            && text.contains("(this call's `logBytes` are used up)"),
        "{text}"
    );
}
