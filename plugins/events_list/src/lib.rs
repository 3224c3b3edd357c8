//! events_list: what happened, newest first.

use porthole_sdk::{parse_time, prelude::*};

arguments! {
    /// Only this namespace; all namespaces where left out.
    namespace: Option<String>,
    /// For example type=Warning, or involvedObject.name=web-1,involvedObject.kind=Pod.
    field_selector: Option<String>,
    /// Events at most. Default: as many as fit into the answer.
    limit: Option<u32>,
}

tool! {
    name: "events_list",
    title: "List events",
    summary: "Events, newest first: why a pod is not scheduled, not started, killed. They expire, usually after an hour. Ask for one object with fieldSelector.",
    reads: [list "" "events"],
}

/// An event in either of the two shapes that components write.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    metadata: Metadata,
    r#type: String,
    reason: String,
    message: String,
    involved_object: Involved,
    count: u64,
    series: Option<Series>,
    event_time: Option<String>,
    first_timestamp: Option<String>,
    last_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    namespace: String,
    creation_timestamp: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Involved {
    kind: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    count: u64,
    last_observed_time: String,
}

const FIELDS: &[&str] = &[
    "metadata.namespace",
    "metadata.creationTimestamp",
    "type",
    "reason",
    "message",
    "involvedObject.kind",
    "involvedObject.name",
    "count",
    "series",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
];
/// Longer messages lose their middle: the cause stands at the end.
const MESSAGE: usize = 400;
/// Kept of the answer for the line on what was left out.
const NOTICE: usize = 256;

impl Event {
    /// When it was last seen, by the rule of `kubectl describe`.
    fn last_seen(&self) -> &str {
        let series = self.series.as_ref().map(|series| series.last_observed_time.as_str());
        let times = [
            series,
            self.last_timestamp.as_deref(),
            self.event_time.as_deref(),
            self.first_timestamp.as_deref(),
        ];
        times.into_iter().flatten().find(|time| !time.is_empty()).unwrap_or(&self.metadata.creation_timestamp)
    }

    fn row(&self) -> Vec<String> {
        let count = self.series.as_ref().map_or(self.count, |series| series.count).max(1);
        vec![
            self.metadata.namespace.clone(),
            age(self.last_seen()),
            self.r#type.clone(),
            self.reason.clone(),
            format!("{}/{}", self.involved_object.kind, self.involved_object.name),
            if count > 1 { format!("x{count}") } else { String::new() },
            shortened(&self.message),
        ]
    }
}

fn shortened(message: &str) -> String {
    let letters: Vec<char> = message.chars().collect();
    if letters.len() <= MESSAGE {
        return message.to_owned();
    }
    let half = MESSAGE / 2;
    let (head, tail) = letters.split_at(half);
    let tail = tail.split_at(tail.len().saturating_sub(half)).1;
    format!("{} … {}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

fn run(arguments: Arguments) -> Answer {
    let mut query = list_all_of(kind("events"), arguments.namespace.clone(), FIELDS);
    query.kind.api_version = Some("v1".to_owned());
    query.field_selector = arguments.field_selector.clone();
    let page = kube_read::list_objects(&query)?;
    let mut events: Vec<Event> = serde_json::from_str(&page.items).map_err(|error| error.to_string())?;
    if events.is_empty() {
        let place =
            arguments.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        return text(format!("No events found{place}. They expire, usually after an hour."));
    }
    let found = events.len();
    events.sort_by_cached_key(|event| std::cmp::Reverse(parse_time(event.last_seen())));
    events.truncate(arguments.limit.filter(|limit| *limit > 0).map_or(found, |limit| limit as usize));
    let mut table = Table::new(["NAMESPACE", "LAST-SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"]);
    for event in &events {
        table.row(event.row());
    }
    let (mut rows, shown) = table.fit((call::output_budget() as usize).saturating_sub(NOTICE));
    if shown < found {
        rows.push_str(&format!(
            "{shown} newest shown of {found}; narrow it with namespace, or fieldSelector such as type=Warning or involvedObject.name=NAME\n"
        ));
    }
    text(rows)
}
