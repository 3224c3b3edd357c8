//! Columns of workloads, autoscalers and disruption budgets.

use serde_json::Value;

use super::{
    Printer,
    cells::{NONE, age, containers, items, name, number, selector, text},
};
use crate::timestamps;

pub(super) const DEPLOYMENTS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Ready", 0),
        ("Up-to-date", 0),
        ("Available", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/template");
        vec![
            name(object),
            ready(object),
            number(object, "/status/updatedReplicas").into(),
            number(object, "/status/availableReplicas").into(),
            age(object, now),
            names,
            images,
            selector(&object["spec"]["selector"]),
        ]
    },
};

pub(super) const REPLICA_SETS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Desired", 0),
        ("Current", 0),
        ("Ready", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/template");
        vec![
            name(object),
            number(object, "/spec/replicas").into(),
            number(object, "/status/replicas").into(),
            number(object, "/status/readyReplicas").into(),
            age(object, now),
            names,
            images,
            selector(&object["spec"]["selector"]),
        ]
    },
};

pub(super) const STATEFUL_SETS: Printer = Printer {
    columns: &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/template");
        vec![name(object), ready(object), age(object, now), names, images]
    },
};

pub(super) const DAEMON_SETS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Desired", 0),
        ("Current", 0),
        ("Ready", 0),
        ("Up-to-date", 0),
        ("Available", 0),
        ("Node Selector", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/template");
        let on = super::cells::labels(&object["spec"]["template"]["spec"]["nodeSelector"]);
        vec![
            name(object),
            number(object, "/status/desiredNumberScheduled").into(),
            number(object, "/status/currentNumberScheduled").into(),
            number(object, "/status/numberReady").into(),
            number(object, "/status/updatedNumberScheduled").into(),
            number(object, "/status/numberAvailable").into(),
            super::cells::none_if_empty(on),
            age(object, now),
            names,
            images,
            selector(&object["spec"]["selector"]),
        ]
    },
};

pub(super) const JOBS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Status", 0),
        ("Completions", 0),
        ("Duration", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/template");
        let holds =
            |ty: &str| items(object, "/status/conditions").any(|c| c["type"] == ty && c["status"] == "True");
        let conditions = [
            ("Complete", "Complete"),
            ("Failed", "Failed"),
            ("Suspended", "Suspended"),
            ("FailureTarget", "FailureTarget"),
            ("SuccessCriteriaMet", "SuccessCriteriaMet"),
        ];
        let status = conditions.iter().find(|(ty, _)| holds(ty)).map_or("Running", |(_, status)| status);
        let succeeded = number(object, "/status/succeeded");
        let completions = match object["spec"]["completions"].as_i64() {
            Some(completions) => format!("{succeeded}/{completions}"),
            None => format!("{succeeded}/1"),
        };
        let began = timestamps::seconds_since(&object["status"]["startTime"], now);
        let ended = timestamps::seconds_since(&object["status"]["completionTime"], now).unwrap_or_default();
        let took = began.map(|began| timestamps::duration(began.saturating_sub(ended))).unwrap_or_default();
        vec![
            name(object),
            status.into(),
            completions.into(),
            took.into(),
            age(object, now),
            names,
            images,
            selector(&object["spec"]["selector"]),
        ]
    },
};

pub(super) const CRON_JOBS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Schedule", 0),
        ("Timezone", 0),
        ("Suspend", 0),
        ("Active", 0),
        ("Last Schedule", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/jobTemplate/spec/template");
        let suspended = if object["spec"]["suspend"] == true { "True" } else { "False" };
        let last = &object["status"]["lastScheduleTime"];
        vec![
            name(object),
            text(object, "/spec/schedule").into(),
            super::cells::or_none(object, "/spec/timeZone"),
            suspended.into(),
            items(object, "/status/active").count().into(),
            if last.is_string() { timestamps::age(last, now).into() } else { NONE.into() },
            age(object, now),
            names,
            images,
            selector(&object["spec"]["jobTemplate"]["spec"]["selector"]),
        ]
    },
};

pub(super) const AUTOSCALERS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Reference", 0),
        ("Targets", 0),
        ("MinPods", 0),
        ("MaxPods", 0),
        ("Replicas", 0),
        ("Age", 0),
    ],
    cells: |object, now| {
        let target = &object["spec"]["scaleTargetRef"];
        let least = object["spec"]["minReplicas"]
            .as_i64()
            .map_or_else(|| "<unset>".to_owned(), |least| least.to_string());
        vec![
            name(object),
            format!(
                "{}/{}",
                target["kind"].as_str().unwrap_or_default(),
                target["name"].as_str().unwrap_or_default()
            )
            .into(),
            targets(object),
            least.into(),
            number(object, "/spec/maxReplicas").into(),
            number(object, "/status/currentReplicas").into(),
            age(object, now),
        ]
    },
};

pub(super) const DISRUPTION_BUDGETS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Min Available", 0),
        ("Max Unavailable", 0),
        ("Allowed Disruptions", 0),
        ("Age", 0),
    ],
    cells: |object, now| {
        let bound = |field: &str| match &object["spec"][field] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => "N/A".to_owned(),
        };
        vec![
            name(object),
            bound("minAvailable").into(),
            bound("maxUnavailable").into(),
            number(object, "/status/disruptionsAllowed").into(),
            age(object, now),
        ]
    },
};

fn ready(object: &Value) -> Value {
    format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas")).into()
}

/// Targets like `cpu: 42%/80%` for resource metrics by utilization or value; `<unknown>` for other metrics.
fn targets(object: &Value) -> Value {
    let mut shown = Vec::new();
    for metric in items(object, "/spec/metrics") {
        let resource = text(metric, "/resource/name");
        let mut current = items(object, "/status/currentMetrics").map(|current| &current["resource"]);
        let current =
            current.find(|current| current["name"] == resource.as_str()).map(|resource| &resource["current"]);
        let percent = |value: &Value| value.as_i64().map(|percent| format!("{percent}%"));
        let value = |value: &Value| value.as_str().map(str::to_owned);
        let (now, wanted) = match metric["resource"]["target"]["type"].as_str() {
            Some("Utilization") => (
                current.and_then(|current| percent(&current["averageUtilization"])),
                percent(&metric["resource"]["target"]["averageUtilization"]),
            ),
            _ => (
                current.and_then(|current| value(&current["averageValue"])),
                value(&metric["resource"]["target"]["averageValue"]),
            ),
        };
        let unknown = || "<unknown>".to_owned();
        shown.push(format!("{resource}: {}/{}", now.unwrap_or_else(unknown), wanted.unwrap_or_else(unknown)));
    }
    super::cells::none_if_empty(shown.join(", "))
}
