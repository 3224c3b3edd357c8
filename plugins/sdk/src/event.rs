//! Events as a list tells them: when, what, to which object, how often, and the message without its middle.

use std::time::UNIX_EPOCH;

use serde::Deserialize;

use crate::{Columns, Row, age, parse_time};

/// The columns of a list of events, without the namespace.
pub const HEADER: [&str; 6] = ["LAST-SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"];
/// The columns of lists of events.
pub const COLUMNS: Columns<'static, Event> =
    Columns { fields: FIELDS, header: &HEADER, row: Event::row, newest_first: true, outlined: false };

/// An event in either of the two shapes that components write.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    metadata: Metadata,
    r#type: String,
    reason: String,
    message: String,
    involved_object: ObjectReference,
    count: u64,
    series: Option<Series>,
    event_time: Option<String>,
    first_timestamp: Option<String>,
    last_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    creation_timestamp: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectReference {
    kind: String,
    name: String,
    uid: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    count: u64,
    last_observed_time: String,
}

/// The fields that a row needs.
pub const FIELDS: &[&str] = &[
    "metadata.name",
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
/// Max characters of a message; a longer one loses its middle, because the cause is at the end.
const MAX_MESSAGE: usize = 400;

impl Event {
    /// Time of the last occurrence, by the rule of `kubectl describe`.
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

    /// Kind, name and uid of the object that it is about; without the uid where [`FIELDS`] alone were read.
    pub fn involved(&self) -> (&str, &str, &str) {
        let ObjectReference { kind, name, uid } = &self.involved_object;
        (kind, name, uid)
    }

    /// The cells under [`HEADER`].
    pub fn row(&self) -> Row {
        let count = self.series.as_ref().map_or(self.count, |series| series.count).max(1);
        let cells = vec![
            age(self.last_seen()),
            self.r#type.clone(),
            self.reason.clone(),
            format!("{}/{}", self.involved_object.kind, self.involved_object.name),
            if count > 1 { format!("x{count}") } else { String::new() },
            abbreviate(&self.message),
        ];
        let seen = parse_time(self.last_seen()).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Row {
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
            cells,
            status: self.r#type.clone(),
            healthy: self.r#type != "Warning",
            time: seen.map_or(0, |seen| seen.as_secs()),
        }
    }
}

fn abbreviate(message: &str) -> String {
    let letters: Vec<char> = message.chars().collect();
    if letters.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let half = MAX_MESSAGE / 2;
    let (head, tail) = letters.split_at(half);
    let tail = tail.split_at(tail.len().saturating_sub(half)).1;
    format!("{} … {}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}
