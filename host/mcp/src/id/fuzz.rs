//! Oracle of the scanners of messages: where one finds an id, a tool or a notification, serde_json finds the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use serde_json::Value as Json;

use super::{
    Deserialize, Deserializer, IgnoredAny, MapAccess, RequestId, Visitor, called_tool, fmt, id_of_ends, ids,
    is_notification, is_short, within_limits,
};

/// The names of a message's members, with doubled ones.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = members.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// An id found in a message that serde_json can read is the one it reads. The first two bytes are the length at which the
/// message is cut.
pub fn message_ids(data: &[u8]) {
    let [high, low, body @ ..] = data else { return };
    let found = ids(body);
    assert!(found.iter().all(is_short));
    let (notification, tool) = (is_notification(body), called_tool(body));
    let _ = within_limits(body);
    let middle = usize::from(u16::from_be_bytes([*high, *low])).min(body.len());
    let of_ends = id_of_ends(&body[..middle], &body[body.len().saturating_sub(512).max(middle)..]);
    let (Ok(message), Ok(Names(mut names))) =
        (serde_json::from_slice::<Json>(body), serde_json::from_slice(body))
    else {
        return;
    };
    names.sort();
    // Of doubled names each reader takes another.
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return;
    }
    let id = message.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
    let id = id.filter(is_short);
    assert_eq!(found, id.clone().into_iter().collect::<Vec<_>>());
    assert!(of_ends.is_none() || of_ends == id, "{of_ends:?} of the ends is not {id:?}");
    assert_eq!(notification, message.get("method").is_some() && message.get("id").is_none());
    let called = (message["method"] == "tools/call")
        .then(|| message.pointer("/params/name").and_then(Json::as_str).unwrap_or_default());
    if message["params"].is_object() || called.is_none() {
        assert_eq!(tool.as_deref(), called);
    }
}
