//! Facts without what is another at every run, and without what nobody is to read.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::time;

/// Fields of a status that are another at every run, and that no rule looks at.
const DROPPED: [&str; 11] = [
    "containerID",
    "imageID",
    "podIP",
    "podIPs",
    "hostIP",
    "hostIPs",
    "allocatedResources",
    "observedGeneration",
    "resourceVersion",
    "kubernetes.io/description",
    "user",
];
/// Volume of a pod's token.
const TOKEN: &str = "kube-api-access-";
/// Minimum length of a part of a name that is drawn at random.
const DRAWN: usize = 5;
/// Minimum length of an id of a container or an image.
const DIGEST: usize = 32;
/// Length of `2026-11-24T12:00:00`.
const STAMP: usize = 19;

/// Drops what no rule looks at, and values that nobody is to read.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !DROPPED.contains(&key.as_str()) && !key.contains("last-applied"));
            fields.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::String(text) if text.contains("-----BEGIN") => *text = "scrubbed".to_owned(),
        Value::String(text) => *text = without_digests(text),
        _ => {}
    }
}

/// `text` with the ids of containers and images, which are long numbers, all alike.
pub(super) fn without_digests(text: &str) -> String {
    let parts = text.split_inclusive(|c: char| !c.is_ascii_hexdigit());
    let part = |part: &str| {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let is_id = digits.len() >= DIGEST && digits.is_ascii();
        if is_id { format!("0123abcd{}", &part[digits.len()..]) } else { part.to_owned() }
    };
    parts.map(part).collect()
}

/// `value` with every time in its texts later by some seconds.
pub(super) fn shifted(value: &Value, later: i64) -> Value {
    match value {
        Value::Object(fields) => {
            let shift = |(key, value): (&String, &Value)| (key.clone(), shifted(value, later));
            Value::Object(fields.iter().map(shift).collect::<Map<String, Value>>())
        }
        Value::Array(items) => items.iter().map(|item| shifted(item, later)).collect(),
        Value::String(text) => shifted_text(text, later).into(),
        other => other.clone(),
    }
}

fn shifted_text(text: &str, later: i64) -> String {
    let mut shifted = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("T") {
        let begin = at.checked_sub("2026-11-24".len());
        let stamp = begin.and_then(|begin| rest.get(begin..begin + STAMP));
        let seconds = stamp.and_then(|stamp| time::parse(&format!("{stamp}Z")));
        match (begin, seconds) {
            (Some(begin), Some(seconds)) => {
                let moved = UNIX_EPOCH + Duration::from_secs(seconds.saturating_add_signed(later));
                shifted.push_str(&rest[..begin]);
                shifted.push_str(humantime::format_rfc3339_seconds(moved).to_string().trim_end_matches('Z'));
                rest = &rest[begin + STAMP..];
            }
            _ => {
                shifted.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    shifted + rest
}

/// Ids and names that are drawn at random, each with what stands instead. The longer come first.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    pub(super) fn of(objects: &[Value]) -> Self {
        let text =
            |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let mut objects: Vec<&Value> = objects.iter().collect();
        // By what is the same at every run.
        objects.sort_by_cached_key(|object| {
            let prefix = text(object, "generateName");
            let name = if prefix.is_empty() { text(object, "name") } else { prefix };
            let is_event = object["kind"] == "Event";
            (
                is_event,
                object["kind"].to_string(),
                text(object, "namespace"),
                if is_event { event_key(object) } else { name },
                text(object, "creationTimestamp"),
            )
        });
        let (mut names, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for object in objects {
            let is_event = object["kind"] == "Event";
            let mut name = text(object, "name");
            let prefix = match is_event {
                // `<object>.<hexadecimal>`.
                true => name.rsplit_once('.').map(|(of, _)| format!("{of}.")).unwrap_or_default(),
                false => text(object, "generateName"),
            };
            let drawn = name.strip_prefix(&prefix).unwrap_or_default().to_owned();
            // The pods of a StatefulSet have numbers.
            let is_drawn = drawn.len() >= DRAWN && drawn.bytes().any(|byte| !byte.is_ascii_digit());
            if !prefix.is_empty() && is_drawn {
                let count: &mut usize =
                    counts.entry((text(object, "namespace"), prefix.clone())).or_default();
                *count += 1;
                // An event's name begins with that of its object, which is replaced itself.
                let (drawn, instead) = match is_event {
                    true => (drawn, format!("e{count}")),
                    false => (name, format!("{prefix}x{count:04}")),
                };
                name = instead.clone();
                names.insert(drawn, instead);
            }
            let kind = object["kind"].as_str().unwrap_or_default();
            names.insert(text(object, "uid"), format!("uid-{kind}-{name}").to_lowercase());
            let volumes = object["spec"]["volumes"].as_array().into_iter().flatten();
            let tokens = volumes.filter_map(|volume| volume["name"].as_str()?.strip_prefix(TOKEN));
            names.extend(tokens.map(|drawn| (format!("{TOKEN}{drawn}"), format!("{TOKEN}x0000"))));
        }
        names.remove("");
        let mut names: Vec<(String, String)> = names.into_iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self(names)
    }

    pub(super) fn replaced(&self, value: &Value) -> Value {
        let mut text = value.to_string();
        for (drawn, instead) in &self.0 {
            text = text.replace(drawn, instead);
        }
        serde_json::from_str(&text).unwrap()
    }
}

/// Key that tells an event from others, without the parts that are drawn at random.
fn event_key(event: &Value) -> String {
    let kind = event["involvedObject"]["kind"].as_str().unwrap_or_default();
    let first = event["firstTimestamp"].as_str().unwrap_or_default();
    format!("{kind} {} {first}", event["reason"].as_str().unwrap_or_default())
}

#[test]
fn ids_of_containers_are_all_alike() {
    let id = "4c".repeat(32);
    assert_eq!(
        without_digests(&format!("Killing containerd://{id}: exit 137")),
        "Killing containerd://0123abcd: exit 137"
    );
    assert_eq!(without_digests("deadbeef of facade"), "deadbeef of facade");
}

#[test]
fn times_and_drawn_names_are_the_same_at_every_run() {
    assert_eq!(
        shifted_text("from 2026-11-29T17:05:06.789Z To T to 2026-11-29T23:59:59Z", -10),
        "from 2026-11-29T17:04:56.789Z To T to 2026-11-29T23:59:49Z"
    );
    let pod = |random: &str, uid: &str| {
        json!({"kind": "Pod", "metadata": {"namespace": "a", "generateName": "web-5d8-",
        "name": format!("web-5d8-{random}"), "uid": uid}})
    };
    let event = |random: &str, uid: &str| {
        json!({"kind": "Event", "metadata": {"namespace": "a", "name": format!("web-5d8-{random}.18a1b2c3d4"),
        "uid": format!("event-{uid}")}, "involvedObject": {"uid": uid}, "message": format!("pulled for web-5d8-{random}")})
    };
    let recorded = |random: &str, uid: &str| {
        let objects = [event(random, uid), pod(random, uid)];
        let names = Names::of(&objects);
        objects.map(|object| names.replaced(&object).to_string())
    };
    let [event, pod] = recorded("k2x9z", "1f0e-77");
    assert_eq!([event.clone(), pod.clone()], recorded("abcde", "2b2b-00"));
    assert!(event.contains("web-5d8-x0001.e1") && event.contains("uid-pod-web-5d8-x0001"), "{event}");
    let numbered = json!({"kind": "Pod", "metadata": {"generateName": "db-", "name": "db-0", "uid": "u-1"}});
    assert_eq!(Names::of(std::slice::from_ref(&numbered)).replaced(&numbered)["metadata"]["name"], "db-0");
}
