//! Lists beside those of kubectl, row by row and column by column.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Rows, STEADY, Stage, differences, of_kubectl, of_tool};
use crate::until;

/// Time until a difference counts: between the two reads controllers write, and other tests create namespaces.
const SETTLED: Duration = Duration::from_secs(120);

/// Plurals with their namespace.
const KINDS: [(&str, Option<&str>); 42] = [
    ("configmaps", Some("kinds")),
    ("secrets", Some("kinds")),
    ("serviceaccounts", Some("kinds")),
    ("services", Some("kinds")),
    ("endpoints", Some("kinds")),
    ("endpointslices", Some("kinds")),
    ("pods", Some("kinds")),
    ("persistentvolumeclaims", Some("kinds")),
    ("limitranges", Some("kinds")),
    ("resourcequotas", Some("kinds")),
    ("replicationcontrollers", Some("kinds")),
    ("podtemplates", Some("kinds")),
    ("deployments", Some("kinds")),
    ("replicasets", Some("kinds")),
    ("statefulsets", Some("kinds")),
    ("daemonsets", Some("kinds")),
    ("controllerrevisions", Some("kinds")),
    ("jobs", Some("kinds")),
    ("cronjobs", Some("kinds")),
    ("horizontalpodautoscalers", Some("kinds")),
    ("poddisruptionbudgets", Some("kinds")),
    ("ingresses", Some("kinds")),
    ("networkpolicies", Some("kinds")),
    ("roles", Some("kinds")),
    ("rolebindings", Some("kinds")),
    ("leases", Some("kinds")),
    ("namespaces", None),
    ("nodes", None),
    ("persistentvolumes", None),
    ("ingressclasses", None),
    ("clusterroles", None),
    ("clusterrolebindings", None),
    ("storageclasses", None),
    ("csidrivers", None),
    ("csinodes", None),
    ("priorityclasses", None),
    ("runtimeclasses", None),
    ("mutatingwebhookconfigurations", None),
    ("validatingadmissionpolicies", None),
    ("flowschemas", None),
    ("prioritylevelconfigurations", None),
    ("apiservices", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn forty_kinds_have_the_columns_of_kubectl() {
    let stage = &Stage::get().await;
    let mut wrong = Vec::new();
    for (kind, namespace) in KINDS {
        let place = namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
        let begun = Instant::now();
        loop {
            let expected = of_kubectl(&stage.kubectl(&format!("get {kind}{place}")));
            let arguments = json!({"kind": kind, "namespace": namespace, "sortBy": "name"});
            let rows = stage.rows("resources_list", arguments).await;
            let titles: BTreeSet<&str> =
                expected.iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
            let titles: Vec<&str> = titles.into_iter().collect();
            let mut found = differences(&expected, &rows, &["NAME"], &titles);
            if expected.is_empty() {
                // Some are made by controllers.
                found.push("kubectl shows none".to_owned());
            }
            if found.is_empty() {
                break;
            }
            if begun.elapsed() > SETTLED {
                wrong.push(format!("{kind}: {}\n{rows:?}", found.join("\n")));
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Pods of kubectl, with restarts as a number, and images.
fn pods(stage: &Stage, place: &str) -> Rows {
    let mut rows = of_kubectl(&stage.kubectl(&format!("get pods {place} -o wide")));
    let images = "NAMESPACE:.metadata.namespace,NAME:.metadata.name,IMAGES:.spec.containers[*].image";
    let images = of_kubectl(&stage.kubectl(&format!("get pods {place} -o custom-columns={images}")));
    for row in &mut rows {
        if let Some(restarts) = row.get_mut("RESTARTS") {
            *restarts = restarts.split(' ').next().unwrap_or_default().to_owned();
        }
        let own = images.iter().find(|other| {
            other["NAME"] == row["NAME"] && row.get("NAMESPACE").is_none_or(|own| *own == other["NAMESPACE"])
        });
        row.extend(own.map(|other| ("IMAGES".to_owned(), other["IMAGES"].clone())));
    }
    rows
}

const COLUMNS: [&str; 6] = ["READY", "STATUS", "RESTARTS", "AGE", "NODE", "IMAGES"];

#[tokio::test(flavor = "multi_thread")]
async fn each_pod_is_as_kubectl_shows_it() {
    let stage = &Stage::get().await;
    until("an init container was started again", STEADY, async || {
        let restarts = |row: &BTreeMap<String, String>| row.get("RESTARTS").is_some_and(|count| count != "0");
        let pods = pods(stage, "-n truth");
        let crashing = pods.iter().find(|row| row["NAME"] == "init-crash");
        crashing.filter(|row| restarts(row)).map(|_| ()).ok_or_else(|| format!("{crashing:?}"))
    })
    .await;
    // Of the fixture's namespaces only: pods of other tests come and go meanwhile.
    let only = |namespace: &str| format!("metadata.namespace={namespace}");
    let of_all = |namespace: &str| json!({"fieldSelector": only(namespace), "sortBy": "name"});
    for (tool, arguments, place, least) in [
        ("pods_list", of_all("truth"), format!("-A --field-selector={}", only("truth")), 25),
        ("pods_list", of_all("kinds"), format!("-A --field-selector={}", only("kinds")), 1),
        (
            "pods_list_in_namespace",
            json!({"namespace": "truth", "sortBy": "name"}),
            "-n truth".to_owned(),
            25,
        ),
    ] {
        until(&format!("{tool} {arguments} and kubectl agree"), STEADY, async || {
            let before = pods(stage, &place);
            let rows = stage.rows(tool, arguments.clone()).await;
            let mut found = differences(&before, &rows, &["NAMESPACE", "NAME"], &COLUMNS);
            if before.len() < least {
                found.push(format!("{} pods", before.len()));
            }
            if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
        })
        .await;
    }
}

/// The number of pods that a row stands for.
fn number(row: &BTreeMap<String, String>) -> usize {
    row["NAME"].split_once(" ×").map_or(1, |(_, number)| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn alike_pods_are_one_row_and_the_account_is_that_of_kubectl() {
    let stage = &Stage::get().await;
    until("the counts agree", STEADY, async || {
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for row in pods(stage, "-n truth") {
            *expected.entry(row["STATUS"].clone()).or_default() += 1;
        }
        let answer = stage.call("pods_list_in_namespace", json!({"namespace": "truth"})).await;
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        let rows = of_tool(&answer);
        for row in &rows {
            *counted.entry(row["STATUS"].clone()).or_default() += number(row);
        }
        let crowd: Vec<_> = rows.iter().filter(|row| row["NAME"].starts_with("crowd-")).collect();
        if counted != expected || crowd.len() != 1 || number(crowd[0]) != 12 {
            return Err(format!("{expected:?}\n{answer}"));
        }
        let place = |status: &str| rows.iter().position(|row| row["STATUS"].contains(status));
        if place("CrashLoopBackOff") >= place("Pending") {
            return Err(answer);
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_those_of_kubectl() {
    let stage = &Stage::get().await;
    until("the events agree", STEADY, async || {
        let events = stage.json("get events -n truth");
        let text = |event: &Value, path: &str| {
            event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let expected: Rows = events["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| {
                let count = event.pointer("/series/count").or(event.get("count")).and_then(Value::as_u64);
                let object = format!(
                    "{}/{}",
                    text(event, "/involvedObject/kind"),
                    text(event, "/involvedObject/name")
                );
                let message = text(event, "/message").split_whitespace().collect::<Vec<_>>().join(" ");
                let cells = [
                    ("TYPE", text(event, "/type")),
                    ("REASON", text(event, "/reason")),
                    ("OBJECT", object),
                    (
                        "COUNT",
                        count.filter(|count| *count > 1).map(|count| format!("x{count}")).unwrap_or_default(),
                    ),
                    ("MESSAGE", message),
                ];
                cells.map(|(title, cell)| (title.to_owned(), cell)).into()
            })
            .collect();
        let mut rows = stage.rows("events_list", json!({"namespace": "truth"})).await;
        for row in &mut rows {
            let message = row.get("MESSAGE").cloned().unwrap_or_default();
            row.insert("MESSAGE".to_owned(), message.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        let key = ["OBJECT", "REASON", "MESSAGE"];
        let found = differences(&expected, &rows, &key, &["TYPE"]);
        if found.is_empty() && expected.len() > 20 && expected.len() == rows.len() {
            Ok(())
        } else {
            Err(format!("{} events, {} rows\n{}", expected.len(), rows.len(), found.join("\n")))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_namespace_is_answered_with_the_right_one_by_every_tool() {
    let stage = &Stage::get().await;
    for (tool, arguments) in [
        ("pods_get", json!({"name": "writer", "namespace": "kinds"})),
        ("pods_log", json!({"name": "writer", "namespace": "kinds"})),
        ("resources_get", json!({"kind": "pod", "name": "writer", "namespace": "kinds"})),
        ("resources_describe", json!({"kind": "pod", "name": "writer", "namespace": "kinds"})),
        ("resources_describe", json!({"kind": "svc", "name": "nowhere", "namespace": "kinds"})),
    ] {
        let answer = stage.call(tool, arguments.clone()).await;
        assert!(answer.starts_with("ERROR: ") && answer.contains("truth"), "{tool} {arguments}: {answer}");
    }
    let misspelt = stage.call("pods_log", json!({"namespace": "truht", "name": "writer"})).await;
    assert!(
        misspelt.starts_with("ERROR: ") && misspelt.contains("in namespace ") && misspelt.contains("truth"),
        "{misspelt}"
    );
    for tool in ["pods_list_in_namespace", "events_list"] {
        let answer = stage.call(tool, json!({"namespace": "truht"})).await;
        assert!(answer.starts_with("ERROR: namespace \"truht\" does not exist"), "{tool}: {answer}");
    }
}
