//! `POST /messages`: one message of a client to its session.
//!
//! The sender is authenticated before the body is read. Dify reads answers from the stream only and waits forever after
//! a failed POST. A sender whose token was used with the session therefore always gets 202, and errors on the stream.
//! Any other sender gets an HTTP error, and the session stays untouched.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use porthole_contract::{MAX_ECHO, Printable, Token, truncate};
use porthole_http::{extract_token, peer, refusal};
use porthole_identity::{AuthError, Authenticator, Caller};
use porthole_tools::Verdict;
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ClientNotification, ErrorCode, GetExtensions, JsonRpcMessage, RequestId},
};
use serde::Deserialize;

use super::{
    pending::AddResult,
    session::{Session, Sessions},
};
use crate::{
    MAX_MESSAGE,
    body::{BodyPermits, ReadError, ReceivedBody},
    handler::{UserAgent, user_agent},
    id::{OVER_LIMITS, called_tool, id_of_ends, ids, is_notification, is_short, within_limits},
};

/// Error code for requests that Porthole rejects. Never 401, which makes Dify start OAuth.
const REJECTED: ErrorCode = ErrorCode(-32001);

/// Query parameters naming the session; clients use either spelling.
#[derive(Debug, Deserialize)]
pub(crate) struct SessionQuery {
    #[serde(alias = "session_id", rename = "sessionId", default)]
    session_id: String,
}

/// State of the message endpoint.
#[derive(Clone)]
pub(crate) struct MessageState {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) bodies: BodyPermits,
}

/// Accepts one message.
pub(crate) async fn message(
    State(state): State<MessageState>,
    Query(query): Query<SessionQuery>,
    request: Request,
) -> Response {
    let MessageState { sessions, authenticator, bodies } = state;
    let Some(session) = sessions.find(&query.session_id) else {
        let text =
            "there is no such session: it has ended, or another replica has it. Connect to /sse again.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let (mut parts, body) = request.into_parts();
    let token = extract_token(&mut parts.headers);
    let sender = match sender(&authenticator, token.as_ref(), peer(&parts.extensions), &session).await {
        Ok(sender) => sender,
        Err(response) => {
            tracing::warn!(peer = %peer(&parts.extensions), "refused a message to a session of another");
            return response;
        }
    };
    let received = match bodies.acquire(&session.owner, &parts.headers).await {
        Ok(permit) => permit.read(body).await,
        Err(error) => Err(error),
    };
    let post = Post { sessions: &sessions, session: &session, headers: &parts.headers };
    post.accept(sender, received);
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

/// Authenticates the sender as the session's client. The inner error is a client whose token is no longer valid; the
/// outer one is the response to any other sender.
async fn sender(
    authenticator: &Authenticator,
    token: Option<&Token>,
    peer: IpAddr,
    session: &Session,
) -> Result<Result<Caller, AuthError>, Response> {
    let fingerprint = authenticator.fingerprint(token).map_err(|unknown| refusal(&unknown))?;
    match authenticator.authenticate(token, peer).await {
        Ok(caller) if caller.owner == session.owner => {
            session.tokens.remember(&caller.fingerprint);
            Ok(Ok(caller))
        }
        Ok(_) => {
            let text = "this session belongs to another account; connect to /sse with this token\n";
            Err((StatusCode::FORBIDDEN, text).into_response())
        }
        // Still the session's client, so the error goes to the stream: Dify would not see an HTTP status.
        Err(unknown) if session.tokens.contains(&fingerprint) => Ok(Err(unknown)),
        Err(unknown) => Err(refusal(&unknown)),
    }
}

/// A message posted by a session's client.
struct Post<'p> {
    sessions: &'p Sessions,
    session: &'p Session,
    headers: &'p HeaderMap,
}

impl Post<'_> {
    fn accept(&self, sender: Result<Caller, AuthError>, received: Result<ReceivedBody, ReadError>) {
        let body = match received {
            Ok(ReceivedBody::Whole(body)) => body,
            Ok(ReceivedBody::TooLong { head, tail }) => {
                let text = format!("the message is too long, the limit is {MAX_MESSAGE} bytes");
                let error = ErrorData::invalid_request(text, None);
                return match id_of_ends(&head, &tail) {
                    // Without an id no error can be addressed, so the sender can only be released by ending the
                    // session.
                    Some(id) => self.answer(vec![id], &error),
                    None => self.session.abandon(&error),
                };
            }
            Err(error) => {
                return self.session.abandon(&ErrorData::invalid_request(error.to_string(), None));
            }
        };
        let caller = match sender {
            Ok(caller) => caller,
            Err(unknown) => return self.reject(&body, &rejection(unknown.to_string())),
        };
        match parse(&body) {
            Ok(message) => self.deliver(message, caller),
            Err(error) => {
                if let Some(tool) = called_tool(&body) {
                    self.sessions.handler.record(
                        &caller,
                        user_agent(self.headers),
                        &tool,
                        Verdict::Malformed,
                    );
                }
                self.reject(&body, &error);
            }
        }
    }

    fn deliver(&self, mut message: ClientJsonRpcMessage, caller: Caller) {
        let mut id = None;
        match &mut message {
            JsonRpcMessage::Request(request) => {
                let extensions = request.request.extensions_mut();
                extensions.insert(caller);
                if let Some(agent) = user_agent(self.headers) {
                    extensions.insert(UserAgent(agent));
                }
                id = Some(request.id.clone());
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // A cancelled request is never answered, not even at the end of the session.
                    self.session.pending.remove(id);
                }
                notification.notification.extensions_mut().insert(caller);
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        let record_unserved_message = |message: &ClientJsonRpcMessage, verdict| {
            self.sessions.handler.record_unserved(message, verdict, user_agent(self.headers));
        };
        // Added before delivery: the answer may reach the stream first, which drops answers to unknown ids.
        match id.as_ref().map(|id| self.session.pending.add(id)) {
            None | Some(AddResult::New) => {}
            Some(AddResult::Duplicate) => {
                record_unserved_message(&message, Verdict::Malformed);
                return tracing::debug!("a request has the id of an open one; the first is answered");
            }
            Some(AddResult::TooMany) => {
                record_unserved_message(&message, Verdict::Busy);
                return self.session.abandon(&rejection("too many requests of this session are open"));
            }
        }
        if let Err(message) = self.session.deliver(message) {
            record_unserved_message(&message, Verdict::Busy);
            if let Some(id) = id {
                self.session.send_error(id, rejection("this session sends faster than it is served"));
            }
        }
    }

    /// Sends an error on the stream for each id found in an unusable message.
    fn reject(&self, body: &[u8], error: &ErrorData) {
        let ids = ids(body);
        if !ids.is_empty() {
            self.answer(ids, error);
        } else if !is_notification(body) {
            // The sender of a notification awaits no answer; any other sender would wait forever.
            self.session.abandon(error);
        }
    }

    fn answer(&self, ids: Vec<RequestId>, error: &ErrorData) {
        for id in ids {
            match self.session.pending.add(&id) {
                AddResult::New => self.session.send_error(id, error.clone()),
                // The id belongs to an open request, which gets its own answer.
                AddResult::Duplicate => {}
                AddResult::TooMany => return self.session.abandon(error),
            }
        }
    }
}

fn rejection(text: impl Into<std::borrow::Cow<'static, str>>) -> ErrorData {
    ErrorData::new(REJECTED, text, None)
}

fn parse(body: &[u8]) -> Result<ClientJsonRpcMessage, ErrorData> {
    if !within_limits(body) {
        return Err(ErrorData::invalid_request(OVER_LIMITS, None));
    }
    let message: ClientJsonRpcMessage = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        let error = Printable(truncate(&error, MAX_ECHO));
        ErrorData::invalid_request(format!("this is not a message of MCP: {error}"), None)
    })?;
    if let JsonRpcMessage::Request(request) = &message
        && !is_short(&request.id)
    {
        return Err(ErrorData::invalid_request("the id of the message is too long", None));
    }
    Ok(message)
}
