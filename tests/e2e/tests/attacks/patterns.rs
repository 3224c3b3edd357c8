//! Regular expressions: memory before the first read, and time on long lines.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::{
    Case,
    stage::{NAMESPACE, Setting, Stage},
};

/// Call timeout, so that endless calls are over soon.
const CONFIG: &str = "limits: {timeout: 4s}\n";
/// Timeout after which calls of four seconds count as endless.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) async fn memory(case: &'static Case) {
    let stage = Stage::usual(case).await;
    vast_pattern(&stage).await;
    stage.assert_grown_less_than(64);
}

/// The attack of [`memory`].
pub(crate) async fn vast_pattern(stage: &Stage) {
    let nobody = stage.nobody().await;
    let client = stage.client(&nobody);
    // The maximum length of arguments, and one longer than a message, which the transport rejects.
    let arguments = |count| json!({"name": "any", "namespace": NAMESPACE, "grep": r"\w".repeat(count)});
    let attack = join_all([30_000, 30_000, 330_000].map(|count| client.call("pods_log", arguments(count))));
    for answer in stage.attack(attack).await {
        let text = answer.unwrap_or_else(|error| format!("ERROR: {error}"));
        assert!(text.starts_with("ERROR") && text.len() < 1000, "{} bytes", text.len());
    }
}

pub(crate) async fn long_lines(case: &'static Case) {
    let stage = Stage::set(case, Setting { config: CONFIG, ..Setting::default() }).await;
    slow_pattern(&stage).await;
    stage.assert_grown_less_than(128);
}

/// The attack of [`long_lines`].
pub(crate) async fn slow_pattern(stage: &Stage) {
    let reader = stage.reader().await;
    let line = format!("{}\n", "ab".repeat(125_000));
    stage.pod("lines", &line.repeat(8)).await;
    let client = stage.client(&reader);
    let calls = ["a[ab]{150}$|zz", "a[ab]{4000}$|zz", "a[ab]{12000}$|zz"].map(|grep| {
        let arguments = json!({"name": "lines", "namespace": NAMESPACE, "grep": grep});
        join_all((0..2).map(|_| client.call("pods_log", arguments.clone())).collect::<Vec<_>>())
    });
    let over = tokio::time::timeout(PATIENCE, join_all(calls));
    for answer in stage.attack(over).await.expect("the calls end").into_iter().flatten() {
        answer.unwrap();
    }
}

pub(crate) async fn many(case: &'static Case) {
    let stage =
        Stage::set(case, Setting { config: CONFIG, guests: &["curious"], ..Setting::default() }).await;
    let reader = stage.reader().await;
    stage.pod("short", "one line\n").await;
    let client = stage.client(&reader);
    let attack = join_all((0..4).map(|_| client.call("curious", json!({"what": "patterns"}))));
    for answer in stage.attack(attack).await {
        answer.unwrap();
    }
    stage.assert_grown_less_than(128);
}
