//! A node's logs and statistics beside the kubelet's own answers.

use porthole_testbed::node::NODE_NAME;
use serde_json::{Value, json};

use super::{STEADY, Stage, mebibytes};
use crate::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_the_node_is_the_kubelets_file() {
    let stage = &Stage::get().await;
    for lines in [3, 50] {
        let log = json!({"name": NODE_NAME, "query": "/etcd.log", "tailLines": lines});
        until("the log is the file", STEADY, async || {
            let file = stage.kubectl(&format!("get --raw /api/v1/nodes/{NODE_NAME}/proxy/logs/etcd.log"));
            let answer = stage.call("nodes_log", log.clone()).await;
            let skipped = file.lines().count().saturating_sub(lines);
            let expected: Vec<&str> = file.lines().skip(skipped).collect();
            // Between the two reads a line may be written.
            if answer.lines().eq(expected.iter().copied()) { Ok(()) } else { Err(answer) }
        })
        .await;
    }
    let missing = stage.call("nodes_log", json!({"name": NODE_NAME, "query": "/none.log"})).await;
    assert!(missing.starts_with("ERROR: ") && missing.contains("none.log"), "{missing}");
    let service = stage.call("nodes_log", json!({"name": NODE_NAME, "query": "kubelet"})).await;
    assert!(service.contains("with a leading slash"), "{service}");
    for answer in [missing, service] {
        assert!(
            !answer.contains("<pre>") && !answer.contains("<a href"),
            "no listing of the folder: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statistics_are_those_of_the_kubelet() {
    let stage = &Stage::get().await;
    until("the statistics agree", STEADY, async || {
        let raw = stage.kubectl(&format!("get --raw /api/v1/nodes/{NODE_NAME}/proxy/stats/summary"));
        let raw: Value = serde_json::from_str(&raw).unwrap();
        let answer = stage.call("nodes_stats_summary", json!({"name": NODE_NAME, "limit": 500})).await;
        let memory = raw["node"]["memory"]["workingSetBytes"].as_f64().unwrap() / 1_048_576.0;
        let line = answer.lines().find_map(|line| line.strip_prefix("memory: "));
        let line = line.ok_or_else(|| answer.clone())?;
        let working_set = mebibytes(line.split(' ').next().unwrap());
        let pods = raw["pods"].as_array().unwrap();
        let names = pods.iter().map(|pod| pod["podRef"]["name"].as_str().unwrap());
        let missing: Vec<&str> = names.filter(|name| !answer.contains(*name)).collect();
        if (working_set - memory).abs() > memory / 5.0
            || !missing.is_empty()
            || !answer.contains(&format!("\n{} pods\n", pods.len()))
        {
            return Err(format!("{memory} MiB, {} pods, missing {missing:?}\n{answer}", pods.len()));
        }
        Ok(())
    })
    .await;
}
