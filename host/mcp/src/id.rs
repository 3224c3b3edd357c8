//! Request ids and size limits of messages, read by scanning, without a complete parse.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use std::fmt;

use rmcp::model::{NumberOrString, RequestId};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// Maximum bytes of an id or a progress token. Attack: ids of 900 kB, repeated in each answer, to a stream that is not
/// read.
pub(super) const MAX_ID: usize = 256;

/// True if an id or a progress token is short enough to be repeated.
pub(super) fn is_short(id: &NumberOrString) -> bool {
    match id {
        NumberOrString::Number(_) => true,
        NumberOrString::String(id) => id.len() <= MAX_ID,
    }
}

/// Ids of a message, or of each message of a batch. Everything else is skipped, so ids are found even in messages
/// nested too deeply to be parsed.
pub(super) fn ids(body: &[u8]) -> Vec<RequestId> {
    #[derive(Deserialize)]
    struct Id {
        id: RequestId,
    }
    let mut ids: Vec<RequestId> = match serde_json::from_slice::<Vec<Id>>(body) {
        Ok(batch) => batch.into_iter().map(|message| message.id).collect(),
        Err(_) => id_of_prefix(body).into_iter().collect(),
    };
    ids.retain(is_short);
    ids
}

/// Id of a message that was read only in part: from its first bytes, or else from its last ones.
pub(super) fn id_of_ends(head: &[u8], tail: &[u8]) -> Option<RequestId> {
    id_of_prefix(head).or_else(|| id_of_suffix(tail)).filter(is_short)
}

/// Last id among an object's members, up to the first syntax error.
fn id_of_prefix(body: &[u8]) -> Option<RequestId> {
    struct Members<'f>(&'f mut Option<RequestId>);

    impl<'de> Visitor<'de> for Members<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a message")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            let mut read: Option<RequestId> = None;
            while let Some(name) = members.next_key::<MemberName>()? {
                // A following member proves that the value before it was complete: a truncated `1` may be half of `12`.
                if let Some(id) = read.take() {
                    *self.0 = Some(id);
                }
                match name {
                    MemberName::Id => read = members.next_value::<IdValue>()?.0,
                    MemberName::Other => drop(members.next_value::<IgnoredAny>()?),
                }
            }
            if let Some(id) = read {
                *self.0 = Some(id);
            }
            Ok(())
        }
    }

    let mut found = None;
    let mut body = serde_json::Deserializer::from_slice(body);
    // On a syntax error, the id found so far is the result.
    let _ = body.deserialize_map(Members(&mut found));
    found
}

/// Name of an object member.
enum MemberName {
    Id,
    Other,
}

impl<'de> Deserialize<'de> for MemberName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = MemberName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<MemberName, E> {
                Ok(if name == "id" { MemberName::Id } else { MemberName::Other })
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

/// Value of a member `id`; `None` if it is no valid id.
#[derive(Deserialize)]
#[serde(from = "IdOrOther")]
struct IdValue(Option<RequestId>);

#[derive(Deserialize)]
#[serde(untagged)]
enum IdOrOther {
    Id(RequestId),
    Other(IgnoredAny),
}

impl From<IdOrOther> for IdValue {
    fn from(value: IdOrOther) -> Self {
        match value {
            IdOrOther::Id(id) => Self(Some(id)),
            IdOrOther::Other(IgnoredAny) => Self(None),
        }
    }
}

/// Id that is an object's last member. The final brace closes the message itself, so a scalar right before it is the
/// message's own member.
fn id_of_suffix(tail: &[u8]) -> Option<RequestId> {
    let object = tail.trim_ascii_end().strip_suffix(b"}")?;
    let start = object.windows(ID_NAME.len()).rposition(|window| window == ID_NAME)?;
    // A name begins after a brace or a comma; `"x\"id"` is the end of another one.
    if !matches!(object.get(..start)?.trim_ascii_end().last(), Some(b',' | b'{')) {
        return None;
    }
    let value = object.get(start..)?.strip_prefix(ID_NAME)?.trim_ascii_start().strip_prefix(b":")?;
    serde_json::from_slice(value).ok()
}

const ID_NAME: &[u8] = br#""id""#;

/// True for a JSON object with a method and without an id.
pub(super) fn is_notification(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Members {
        #[serde(default, deserialize_with = "present")]
        id: bool,
        #[serde(default, deserialize_with = "present")]
        method: bool,
    }
    fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| true)
    }
    body.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<Members>(body).is_ok_and(|message| message.method && !message.id)
}

/// Tool named by a call, empty if unreadable; `None` if the message is no `tools/call`.
pub(super) fn called_tool(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Method {
        method: String,
    }
    #[derive(Deserialize)]
    struct Message {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        name: String,
    }
    let method = |method: &Method| method.method == "tools/call";
    if parse_prefix::<Method>(body).is_some_and(|found| method(&found)) {
        return Some(parse_prefix::<Message>(body).map(|message| message.params.name).unwrap_or_default());
    }
    // A batch, which no served version supports.
    let batch = parse_prefix::<Vec<Method>>(body)?;
    batch.iter().any(method).then(String::new)
}

/// Parses a value at the start of the body, ignoring the rest.
fn parse_prefix<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(body)).ok()
}

/// Maximum bytes of a message that calls no tool. Attack: capabilities or `_meta` of a megabyte, parsed into a hundred,
/// and held for the lifetime of the session or subscription that they came with.
const MAX_OTHER_BYTES: usize = 16 << 10;
/// Maximum number of values in such a message: each takes up to 700 bytes when parsed.
const MAX_OTHER_VALUES: usize = 500;
/// Maximum number of values in a call, which is held for its duration. Arguments have a few dozen.
const MAX_CALL_VALUES: usize = 2_000;

/// Error text for a message that fails [`within_limits`].
pub(super) const OVER_LIMITS: &str =
    "the message has too many parts, or is over 16 KiB and calls no tool; send less";

/// True if a message is small enough to be parsed and held: only calls may be long, and no message may have many
/// values. Separators within strings count too, which saves a parse.
pub(super) fn within_limits(body: &[u8]) -> bool {
    let values = memchr::memchr3_iter(b',', b'[', b'{', body).take(MAX_CALL_VALUES).count();
    let is_other = body.len() <= MAX_OTHER_BYTES && values < MAX_OTHER_VALUES;
    values < MAX_CALL_VALUES && (is_other || called_tool(body).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_may_be_long_and_nothing_has_a_million_parts() {
        let message = |method: &str, rest: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"x",{rest}}}}}"#)
        };
        let long = format!(r#""arguments":{{"a":"{}"}}"#, "x".repeat(60_000));
        assert!(within_limits(message("tools/call", &long).as_bytes()));
        assert!(!within_limits(message("subscriptions/listen", &long).as_bytes()));
        let doubled =
            message("tools/call", &long).replace("\"id\":1", "\"id\":1,\"method\":\"subscriptions/listen\"");
        assert!(!within_limits(doubled.as_bytes()), "a doubled method");
        let values = |count: usize| format!(r#""_meta":{{"x":[{}0]}}"#, "0,".repeat(count));
        assert!(!within_limits(message("tools/call", &values(2_000)).as_bytes()));
        assert!(within_limits(message("tools/call", &values(1_900)).as_bytes()));
        assert!(!within_limits(message("initialize", &values(600)).as_bytes()));
        assert!(within_limits(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    }

    #[test]
    fn an_id_is_found_wherever_it_can_be() {
        let deep = format!(r#"{{"params":{}{},"id":9}}"#, "[".repeat(300), "]".repeat(300));
        for (body, expected) in [
            (r#"{"method":"x","params":[],"jsonrpc":"2.0","id":0}"#, vec![RequestId::Number(0)]),
            (r#"{"id":"a","jsonrpc":1}"#, vec![RequestId::String("a".into())]),
            (r#"[{"id":1},{"id":2}]"#, vec![RequestId::Number(1), RequestId::Number(2)]),
            (r#"{"id":1,"id":2}"#, vec![RequestId::Number(2)]),
            (r#"{"id":1,"method":"x","params":{"#, vec![RequestId::Number(1)]),
            (r#"{"id":1,"method":1e400}"#, vec![RequestId::Number(1)]),
            (deep.as_str(), vec![RequestId::Number(9)]),
            (r#"{"id":null}"#, vec![]),
            (r#"{"id":{}}"#, vec![]),
            (r#"{"id":1.5}"#, vec![]),
            (r#"{"id":1e400}"#, vec![]),
            (r#"{"id":"\ud800"}"#, vec![]),
            (r#"{"params":{"id":7}}"#, vec![]),
            (r#"{"id":1"#, vec![]),
            ("17", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(ids(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_long_id_is_none() {
        let message = |length: usize| format!(r#"{{"id":"{}","method":"ping"}}"#, "x".repeat(length));
        assert_eq!(ids(message(MAX_ID).as_bytes()).len(), 1);
        assert_eq!(ids(message(MAX_ID + 1).as_bytes()).len(), 0);
        assert_eq!(id_of_ends(message(MAX_ID + 1).as_bytes(), b""), None);
    }

    #[test]
    fn of_a_message_that_is_too_long_the_ends_have_the_id() {
        let seven = Some(RequestId::Number(7));
        assert_eq!(id_of_ends(br#"{"jsonrpc":"2.0","id":7,"params":{"name":"xxx"#, b"xxx"), seven);
        assert_eq!(id_of_ends(br#"{"params":{"name":"xxx"#, br#"xxx"},"jsonrpc":"2.0","id":7}"#), seven);
        assert_eq!(id_of_ends(br#"{"params":{"name":"xxx"#, b"xxx\"},\"id\" : 7 }\n"), seven);
        for tail in [
            &br#"xxx"}}"#[..],
            br#"xxx{"id":7}}"#,
            br#""id":7"#,
            br#""id":[7]}"#,
            br#""id":7,"x":1}"#,
            b"}",
            b"",
        ] {
            assert_eq!(
                id_of_ends(br#"{"params":{"name":"xxx"#, tail),
                None,
                "{}",
                String::from_utf8_lossy(tail)
            );
        }
    }

    #[test]
    fn only_an_object_without_id_is_a_notification() {
        assert!(is_notification(br#"{"method":"notifications/x","params":3}"#));
        for body in [&br#"{"id":null,"method":"x"}"#[..], b"{", b"[]", br#"{"a":1}"#, br#"["x","y"]"#] {
            assert!(!is_notification(body));
        }
    }

    #[test]
    fn a_malformed_call_still_names_its_tool() {
        let deep = format!(r#"{{"params":{}{},"method":"tools/call"}}"#, "[".repeat(300), "]".repeat(300));
        for (body, expected) in [
            (r#"{"method":"tools/call","params":{"name":"pods_list","arguments":3}}"#, Some("pods_list")),
            (r#"{"method":"tools/call","params":{"name":5}}"#, Some("")),
            (r#"{"method":"tools/call"}"#, Some("")),
            (deep.as_str(), Some("")),
            (r#"{"method":"tools/list"}"#, None),
            (r#"{"method":"tools/call""#, None),
        ] {
            assert_eq!(called_tool(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
