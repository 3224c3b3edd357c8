//! Costs of questions about ten thousand pods, from the audit log: none is stopped by a default limit.

use std::time::{Duration, Instant};

use porthole_testbed::{
    http::Streamable,
    porthole::{Porthole, audited_calls},
};
use serde_json::{Value, json};

/// Maximum time until a call's audit line is written.
const AUDITED: Duration = Duration::from_secs(60);
/// Defaults of the limits `reads`, `readBytes`, `cpu` in microseconds and `memory`.
const LIMITS: [u64; 4] = [256, 32 << 20, 5_000_000, 128 << 20];
/// Bytes that `find` reads at most: a quarter of `readBytes`, with a cluster four times as large in mind.
const FIND: u64 = 8 << 20;

/// Questions of a namespace of two thousand pods, and of the whole cluster.
fn questions() -> [(&'static str, Value); 10] {
    [
        ("diagnose", json!({"namespace": "load-4"})),
        ("diagnose", json!({"name": "app-1-05001"})),
        ("diagnose", json!({})),
        ("find", json!({"query": "app-1-05001"})),
        ("find", json!({"query": "app-7"})),
        ("find", json!({"query": "10.1.20.2"})),
        ("find", json!({"query": "no-such-word"})),
        ("changes", json!({"namespace": "load-4"})),
        ("changes", json!({})),
        ("pods_list", json!({})),
    ]
}

/// Asks each question alone, prints a table of what it took, and fails if one came to a limit.
pub(crate) async fn stay_within_the_limits(host: &Porthole, client: &Streamable) {
    eprintln!(
        "{:<10} {:<28} {:>5} {:>10} {:>7} {:>11} {:>6} {:>6}",
        "tool", "arguments", "reads", "read bytes", "cpu ms", "memory KiB", "ms", "bytes"
    );
    for (tool, arguments) in questions() {
        let before = lines(host).len();
        let answer = client.call(tool, arguments.clone()).await.unwrap();
        let line = line(host, before, tool, &arguments).await;
        let number = |key: &str| line[key].as_u64().unwrap();
        let reads: u64 =
            line["reads"].as_array().unwrap().iter().map(|read| read["count"].as_u64().unwrap()).sum();
        let taken = [reads, number("readBytes"), number("cpuUs"), number("memory")];
        eprintln!(
            "{tool:<10} {:<28} {reads:>5} {:>10} {:>7} {:>11} {:>6} {:>6}",
            arguments.to_string(),
            taken[1],
            taken[2] / 1000,
            taken[3] >> 10,
            number("ms"),
            answer.len()
        );
        assert_eq!(line["verdict"], "ok", "{tool} {arguments}: {answer}");
        assert!(!answer.contains("its limit"), "{tool} {arguments}: {answer}");
        assert!(taken.iter().zip(LIMITS).all(|(taken, limit)| *taken < limit), "{tool} {arguments}: {line}");
        // Names and addresses do not need the objects.
        assert!(tool != "find" || taken[1] < FIND, "{arguments}: {line}");
    }
}

/// Audit lines of calls so far.
fn lines(host: &Porthole) -> Vec<Value> {
    audited_calls(&host.printed().unwrap())
}

/// The audit line of a call after the first `before`, among which the lines of earlier calls may not have been yet.
async fn line(host: &Porthole, before: usize, tool: &str, arguments: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let is_its = |line: &Value| line["tool"] == tool && line["arguments"] == *arguments;
        if let Some(line) = lines(host).into_iter().skip(before).find(is_its) {
            return line;
        }
        assert!(begun.elapsed() < AUDITED, "no audit line after {AUDITED:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
