//! Facts of `kubectl describe` in the answers of resources_describe.

use porthole_testbed::node;
use regex::Regex;
use serde_json::json;

use super::{STEADY, Stage};
use crate::until;

/// Kind, name, namespace; then facts: a regular expression for kubectl's text, and one for the answer.
type Facts = (&'static str, &'static str, Option<&'static str>, &'static [(&'static str, &'static str)]);

const FACTS: [Facts; 14] = [
    (
        "Pod",
        "not-ready",
        Some("truth"),
        &[
            (r"Ready:\s+False", r"not ready"),
            (r"EmptyDir", r"emptyDir: \{\}"),
            (r"cpu:\s+30m", r"cpu: 30m"),
            (r"memory:\s+16Mi", r"memory: 16Mi"),
            (r"Unhealthy", r"Unhealthy"),
            (r"/scratch from scratch", r"mountPath: /scratch"),
        ],
    ),
    (
        "Pod",
        "init-crash",
        Some("truth"),
        &[(r"Exit Code:\s+1", r"exit code 1"), (r"Back-off restarting failed container first", r"first")],
    ),
    ("Pod", "init-missing", Some("truth"), &[(r"StartError|CrashLoopBackOff", r"/nothing")]),
    (
        "Pod",
        "gated",
        Some("truth"),
        &[
            (r"PodScheduled\s+False", r"PodScheduled=False SchedulingGated"),
            (r"Status:\s+Pending", r"example.com/wait"),
        ],
    ),
    (
        "Deployment",
        "silent",
        Some("truth"),
        &[
            (r"3 desired", r"replicas: 3"),
            (r"0 available", r"pods: 3, 3 not well"),
            (r"(?s).", r"exit code 1"),
        ],
    ),
    (
        "Deployment",
        "crowd",
        Some("truth"),
        &[
            (r"12 unavailable", r"pods: 12, 12 not well"),
            (r"disk=ssd", r"disk: ssd"),
            (r"(?s).", r"didn't match Pod's node affinity/selector"),
        ],
    ),
    // Its endpoints are null.
    (
        "Service",
        "nowhere",
        Some("truth"),
        &[(r"Endpoints:\s*(<none>)?\n", r"endpoints: 0 ready"), (r"app=gone", r"app=gone")],
    ),
    (
        "Service",
        "front",
        Some("kinds"),
        &[
            (r"NodePort", r"NodePort"),
            (r"30555", r"30555"),
            (r"TargetPort:\s+8080", r"targetPort: 8080"),
            (r"app=front", r"app: front"),
        ],
    ),
    // A selector of all pods, and a rule for any peer.
    (
        "NetworkPolicy",
        "open",
        Some("kinds"),
        &[
            (r"PodSelector:\s+<none> \(Allowing", r"podSelector: \{\}"),
            (r"traffic not restricted by source", r"ingress:\s+- \{\}"),
        ],
    ),
    (
        "Namespace",
        "kinds",
        None,
        &[
            (r"pods\s+\d+\s+20", r"quota few: pods \d+ of 20"),
            (r"PersistentVolumeClaim", r"limit ranges: claims"),
        ],
    ),
    ("ServiceAccount", "robot", Some("kinds"), &[(r"Image pull secrets:\s+password", r"name: password")]),
    (
        "HorizontalPodAutoscaler",
        "front",
        Some("kinds"),
        &[
            (r"Deployment/front", r"name: front"),
            (r"<unknown> / 80%", r"averageUtilization: 80"),
            (r"FailedGetResourceMetric", r"FailedGetResourceMetric"),
        ],
    ),
    (
        "Job",
        "migrate",
        Some("kinds"),
        &[(r"1 Succeeded", r"succeeded: 1"), (r"Completed", r"Completed|Complete")],
    ),
    (
        "PersistentVolumeClaim",
        "data",
        Some("kinds"),
        &[(r"Pending", r"Pending"), (r"StorageClass:\s+none", r"storageClassName: none")],
    ),
];

/// Texts that tell nothing, or that only a machine reads.
const NOISE: [&str; 3] = [r#"type: """#, "9007199254740988Ki", "\u{1b}["];

#[tokio::test(flavor = "multi_thread")]
async fn the_facts_of_kubectl_describe_are_told() {
    let stage = &Stage::get().await;
    for (kind, name, namespace, facts) in FACTS {
        let place = namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
        until(&format!("{kind} {name}"), STEADY, async || {
            let expected = stage.kubectl(&format!("describe {kind} {name}{place}"));
            let answer = stage
                .call("resources_describe", json!({"kind": kind, "name": name, "namespace": namespace}))
                .await;
            let mut missing: Vec<String> = Vec::new();
            for (of_kubectl, of_tool) in facts {
                for (text, pattern) in [(&expected, of_kubectl), (&answer, of_tool)] {
                    if !Regex::new(pattern).unwrap().is_match(text) {
                        missing.push(format!("{pattern:?} is not in\n{text}"));
                    }
                }
            }
            missing.extend(
                NOISE
                    .iter()
                    .filter(|noise| answer.contains(**noise))
                    .map(|noise| format!("{noise} in {answer}")),
            );
            if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pods_of_a_node_request_is_the_sum_of_kubectl() {
    let stage = &Stage::get().await;
    until("the sums agree", STEADY, async || {
        let total = Regex::new(r"(?m)^  cpu +(\d+m?) \((\d+)%\)").unwrap();
        // The scheduler chooses which of the nodes has pods that request something.
        let described = [1, 2]
            .map(node::name)
            .map(|node| (node.clone(), stage.kubectl(&format!("describe node {node}"))));
        let sums = described.iter().filter_map(|(node, text)| Some((node, total.captures(text)?)));
        let Some((node, cpu)) = sums.into_iter().find(|(_, cpu)| &cpu[1] != "0") else {
            return Err(format!("{described:?}"));
        };
        let cores = if cpu[1].ends_with('m') { cpu[1].to_owned() } else { format!("{}000m", &cpu[1]) };
        let answer = stage.call("resources_describe", json!({"kind": "node", "name": node})).await;
        // A host that was deployed by another test may start or end between the two.
        if answer.contains(&format!("request cpu {cores} ({}%), memory ", &cpu[2])) && cores != "0m" {
            Ok(())
        } else {
            Err(format!("{}\n{answer}", &cpu[0]))
        }
    })
    .await;
}
