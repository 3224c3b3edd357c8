//! `POST /messages`: one message of a client to its session.
//!
//! Once a session exists the POST is answered 202 whatever happens, and what went wrong is told on the stream: Dify
//! reads answers there only, and a failed POST leaves it waiting for ever.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ClientNotification, ErrorCode, GetExtensions, JsonRpcMessage, RequestId},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::session::{Added, Session, Sessions};
use crate::{
    identity::{Caller, Callers},
    mcp::LARGEST_MESSAGE,
};

/// A larger message is read on to here, only to find its id and refuse it by that.
const LARGEST_READ: usize = 8 << 20;
/// A client that begins a POST must end it in this time.
const READING: Duration = Duration::from_secs(30);
/// Refused by us, and not by JSON-RPC. Never 401: Dify takes that code for a reason to start OAuth.
const REFUSED: ErrorCode = ErrorCode(-32001);

/// Where the id of the session stands: the two names that clients use.
#[derive(Debug, Deserialize)]
pub(crate) struct To {
    #[serde(alias = "session_id", rename = "sessionId", default)]
    session_id: String,
}

/// Takes one message.
pub(in crate::mcp) async fn message(
    State((sessions, callers)): State<(Arc<Sessions>, Arc<Callers>)>,
    Query(to): Query<To>,
    request: Request,
) -> Response {
    let Some(session) = sessions.find(&to.session_id) else {
        let text =
            "there is no such session: it has ended, or another replica has it. Connect to /sse again.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let (parts, body) = request.into_parts();
    let body = read(body).await;
    let caller = caller(&callers, &parts.headers, &session).await;
    accept(&session, caller, body);
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

async fn read(body: Body) -> Result<Vec<u8>, ErrorData> {
    match timeout(READING, Limited::new(body, LARGEST_READ).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(_)) => Err(ErrorData::invalid_request(
            format!("the message broke off, or is longer than {LARGEST_READ} bytes"),
            None,
        )),
        Err(_) => {
            Err(ErrorData::invalid_request(format!("the message did not arrive within {READING:?}"), None))
        }
    }
}

/// The caller whose token the POST carries; it must own the session.
async fn caller(callers: &Callers, headers: &HeaderMap, session: &Session) -> Result<Caller, ErrorData> {
    let refused = |text: String| ErrorData::new(REFUSED, text, None);
    let caller = callers
        .of(headers.get(header::AUTHORIZATION))
        .await
        .map_err(|unknown| refused(unknown.to_string()))?;
    if caller.owner == session.owner {
        return Ok(caller);
    }
    Err(refused("this session belongs to another account; connect to /sse with this token".to_owned()))
}

fn accept(session: &Session, caller: Result<Caller, ErrorData>, body: Result<Vec<u8>, ErrorData>) {
    let body = match body {
        Ok(body) => body,
        Err(error) => return session.abandon(&error),
    };
    let mut message = match parse(&body) {
        Ok(message) => message,
        Err(error) => return refuse(session, &body, &error),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return refuse(session, &body, &error),
    };
    let mut id = None;
    match &mut message {
        JsonRpcMessage::Request(request) => {
            request.request.extensions_mut().insert(caller);
            id = Some(request.id.clone());
        }
        JsonRpcMessage::Notification(notification) => {
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                && let Some(id) = &cancelled.params.request_id
            {
                // A cancelled request is never answered, also not when the session ends.
                session.pending.remove(id);
            }
            notification.notification.extensions_mut().insert(caller);
        }
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
    }
    if let Some(id) = &id {
        match session.pending.add(id) {
            Added::New => {}
            Added::Duplicate => {
                return tracing::debug!("a request has the id of an open one; the first is answered");
            }
            Added::TooMany => {
                let error =
                    ErrorData::new(REFUSED, "too many requests of this session are open".to_owned(), None);
                return session.abandon(&error);
            }
        }
    }
    if !session.deliver(message)
        && let Some(id) = id
    {
        session.fail(
            id,
            ErrorData::new(REFUSED, "this session sends faster than it is served".to_owned(), None),
        );
    }
}

fn parse(body: &[u8]) -> Result<ClientJsonRpcMessage, ErrorData> {
    if body.len() > LARGEST_MESSAGE {
        let text = format!("the message has {} bytes, the limit is {LARGEST_MESSAGE}", body.len());
        return Err(ErrorData::invalid_request(text, None));
    }
    serde_json::from_slice(body)
        .map_err(|error| ErrorData::invalid_request(format!("this is not a message of MCP: {error}"), None))
}

/// Tells on the stream what is wrong with a message, by whatever id can be found in it.
fn refuse(session: &Session, body: &[u8], error: &ErrorData) {
    let ids = ids(body);
    if ids.is_empty() {
        // A notification that cannot be read is nobody's loss; anything else has a sender who waits.
        if !is_notification(body) {
            session.abandon(error);
        }
        return;
    }
    for id in ids {
        if session.pending.add(&id) == Added::New {
            session.fail(id, error.clone());
        }
    }
}

/// The ids in a message, or in each message of a batch, read without looking at anything else: this also finds them
/// in what is too deeply nested or too long to be parsed.
fn ids(body: &[u8]) -> Vec<RequestId> {
    #[derive(Deserialize)]
    struct Id {
        id: RequestId,
    }
    if let Ok(Id { id }) = serde_json::from_slice(body) {
        return vec![id];
    }
    if let Ok(batch) = serde_json::from_slice::<Vec<Id>>(body) {
        return batch.into_iter().map(|message| message.id).collect();
    }
    // A member given twice is an error above and the last one here.
    serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| RequestId::deserialize(value.get("id")?).ok())
        .into_iter()
        .collect()
}

/// A JSON object without any id.
fn is_notification(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
        .is_ok_and(|message| !message.contains_key("id") && message.contains_key("method"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_wherever_it_can_be() {
        let deep = format!(r#"{{"params":{}{},"id":9}}"#, "[".repeat(300), "]".repeat(300));
        for (body, expected) in [
            (r#"{"method":"x","params":[],"jsonrpc":"2.0","id":0}"#, vec![RequestId::Number(0)]),
            (r#"{"id":"a","jsonrpc":1}"#, vec![RequestId::String("a".into())]),
            (r#"[{"id":1},{"id":2}]"#, vec![RequestId::Number(1), RequestId::Number(2)]),
            (r#"{"id":1,"id":2}"#, vec![RequestId::Number(2)]),
            (deep.as_str(), vec![RequestId::Number(9)]),
            (r#"{"id":null}"#, vec![]),
            (r#"{"id":{}}"#, vec![]),
            (r#"{"id":1"#, vec![]),
            ("", vec![]),
        ] {
            assert_eq!(ids(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn only_an_object_without_id_is_a_notification() {
        assert!(is_notification(br#"{"method":"notifications/x","params":3}"#));
        for body in [&br#"{"id":null,"method":"x"}"#[..], b"{", b"[]", br#"{"a":1}"#] {
            assert!(!is_notification(body));
        }
    }
}
