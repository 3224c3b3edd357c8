//! Tools of a registry in a running host: replaced under load, and named with their origin.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use porthole_testbed::{
    http::Streamable,
    porthole::{Porthole, audited_calls},
    registry::{Referrers, Registry},
    versions::{number, version},
};
use serde_json::{Value, json};
use tokio::{
    task::{JoinSet, block_in_place},
    time::{MissedTickBehavior, interval},
};

use crate::stage::Stage;

/// Interval of fifty calls a second.
const INTERVAL: Duration = Duration::from_millis(20);
/// Calls that the host answers at once, and calls of the test that are open at most.
const CONCURRENCY: usize = 500;
/// Time for a tool to be pulled and served, on a busy machine.
const SERVED: Duration = Duration::from_secs(60);

/// A host that serves the stage's folder, reads the embedded cluster, and writes its audit log to a file of the stage.
async fn host(stage: &Stage, options: &[&str]) -> Porthole {
    let folder = stage.folder().display().to_string();
    let audit = stage.path().join("audit").display().to_string();
    let mut all = vec!["--plugins", &folder, "--demo", "--identity", "host", "--audit", &audit];
    all.extend(options);
    Porthole::with(&all).await.unwrap()
}

/// Waits until /readyz satisfies a condition.
pub(crate) async fn until_ready(host: &Porthole, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let readiness = host.readiness().await.unwrap();
        if condition(&readiness) {
            return readiness;
        }
        assert!(begun.elapsed() < SERVED, "{what}: {readiness}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the only tool of /readyz satisfies a condition.
async fn until_tool(host: &Porthole, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    until_ready(host, what, |readiness| condition(&readiness["tools"][0])).await
}

/// Calls of one kind, each with its number, made without waiting for those before.
async fn call_until(replaced: &AtomicBool, answered: &AtomicU64, origin: &str) -> Vec<(u64, String)> {
    let client = std::sync::Arc::new(Streamable::new(origin, None));
    let (mut calls, mut ticks) = (JoinSet::new(), interval(INTERVAL));
    // Late ticks are made up for, as far as the host takes calls: the rate is that of the clock, and not of a busy machine.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut answers = Vec::new();
    let mut issued = 0;
    while !replaced.load(Ordering::Relaxed) {
        tokio::select! {
            _ = ticks.tick(), if calls.len() < CONCURRENCY => {
                issued += 1;
                let client = std::sync::Arc::clone(&client);
                calls.spawn(async move { (issued, client.call("versioned", json!({})).await.unwrap()) });
            }
            Some(answer) = calls.join_next() => {
                answers.push(answer.unwrap());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    while let Some(answer) = calls.join_next().await {
        answers.push(answer.unwrap());
    }
    assert_eq!(answers.len() as u64, issued, "each call is answered once");
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_signed_tool_under_fifty_calls_a_second_loses_none() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/versioned:1", registry.host);
    let push = |n: u32| {
        let file = stage.path().join(format!("{n}.wasm"));
        fs::write(&file, version(n)).unwrap();
        stage.push_file(&file, &image, Some("p256.key"))
    };
    let source = |digest: &str| format!("{}/tools/versioned@{digest}", registry.host);
    let first = push(1);
    stage.configure(
        &registry.host,
        &format!("- {{image: \"{image}\", signedBy: [platform]}}"),
        "keys: {platform: p256.pub}",
    );
    assert_eq!(stage.pull().0, 0);
    // A machine that stops for a second is no reason to refuse a call.
    let limits = stage.path().join("limits.yaml");
    let text = format!("limits: {{concurrency: {CONCURRENCY}, concurrencyPerCaller: {CONCURRENCY}}}\n");
    fs::write(&limits, text).unwrap();
    let host = host(&stage, &["--config", &limits.display().to_string()]).await;
    let is_first = |tool: &Value| tool["version"] == number(1) && tool["source"] == source(&first);
    let ready = until_tool(&host, "the first", is_first).await;
    assert_eq!(ready["tools"][0]["signedBy"], "platform", "{ready}");

    let (replaced, answered, begun) = (&AtomicBool::new(false), &AtomicU64::new(0), Instant::now());
    let replacing = async {
        let more = |calls| {
            let until = answered.load(Ordering::Relaxed) + calls;
            crate::stage::until("more answers", move || answered.load(Ordering::Relaxed) >= until)
        };
        more(50).await;
        let second = block_in_place(|| {
            let second = push(2);
            let (code, output) =
                stage.run(&["plugin", "lock", "--config", "porthole.yaml", "--lock", "tools/sources.lock"]);
            assert_eq!(code, 0, "{output}");
            let (code, output) = stage.pull();
            assert!(code == 0 && output.contains("pulled, "), "{output}");
            second
        });
        until_tool(&host, "the second", |tool| {
            tool["version"] == number(2) && tool["source"] == source(&second)
        })
        .await;
        more(50).await;
        replaced.store(true, Ordering::Relaxed);
        second
    };
    let (second, mut answers) = tokio::join!(replacing, call_until(replaced, answered, &host.origin));
    answers.sort_unstable();
    eprintln!("{} calls in {:?}", answers.len(), begun.elapsed());
    let of = |n: u32| answers.iter().filter(|(_, answer)| answer.starts_with(&number(n))).count();
    assert_eq!(of(1) + of(2), answers.len(), "{answers:?}");
    assert!(of(1) >= 50 && of(2) > 0 && answers.last().unwrap().1.starts_with(&number(2)), "{answers:?}");

    // Each has its line, of the bytes that answered it.
    assert!(host.terminate().await.unwrap().0.success());
    let lines = audited_calls(&fs::read_to_string(stage.path().join("audit")).unwrap());
    assert_eq!(lines.len(), answers.len());
    for line in lines {
        let by = |n: u32, digest: &str| {
            line["version"] == number(n) && line["source"] == source(digest) && line["signedBy"] == "platform"
        };
        // Its file is in the folder a moment before its entry is in the lock.
        let unclaimed =
            line["version"] == number(2) && line.get("source").is_none() && line.get("signedBy").is_none();
        assert!(by(1, &first) || by(2, &second) || unclaimed, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_was_pulled_has_no_origin() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/versioned:1", registry.host);
    let file = stage.path().join("1.wasm");
    fs::write(&file, version(1)).unwrap();
    stage.push_file(&file, &image, Some("p256.key"));
    stage.configure(
        &registry.host,
        &format!("- {{image: \"{image}\", signedBy: [platform]}}"),
        "keys: {platform: p256.pub}",
    );
    assert_eq!(stage.pull().0, 0);
    let host = host(&stage, &[]).await;
    until_tool(&host, "pulled", |tool| tool["signedBy"] == "platform").await;
    let client = Streamable::new(&host.origin, None);
    client.call("versioned", json!({})).await.unwrap();

    // Whoever may write to the folder replaces the file, and leaves the lock.
    fs::write(stage.file("versioned.wasm"), version(2)).unwrap();
    let ready = until_tool(&host, "replaced", |tool| tool["version"] == number(2)).await;
    let tool = &ready["tools"][0];
    assert!(tool.get("source").is_none() && tool.get("signedBy").is_none(), "{tool}");
    client.call("versioned", json!({})).await.unwrap();

    // A lock that cannot be read says nothing of any file, and that it cannot is said.
    fs::write(stage.file("versioned.wasm"), version(1)).unwrap();
    until_tool(&host, "as it was pulled", |tool| tool["signedBy"] == "platform").await;
    fs::write(stage.file("sources.lock"), "{").unwrap();
    let ready = until_tool(&host, "a damaged lock", |tool| tool.get("source").is_none()).await;
    let failed = ready["failed"][0]["reason"].as_str().unwrap_or_default();
    assert!(failed.contains("not a lock of sources") && failed.contains("no origin"), "{ready}");
    client.call("versioned", json!({})).await.unwrap();

    assert!(host.terminate().await.unwrap().0.success());
    let lines = audited_calls(&fs::read_to_string(stage.path().join("audit")).unwrap());
    let claims: Vec<_> =
        lines.iter().map(|line| (line["signedBy"].as_str(), line["source"].is_string())).collect();
    assert_eq!(claims, [(Some("platform"), true), (None, false), (None, false)]);
}
