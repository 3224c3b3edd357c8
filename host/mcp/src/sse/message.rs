//! `POST /messages`: one message of a client to its session.
//!
//! Its sender is established before a byte of the body is read. Dify reads answers on the stream only, and a failed POST
//! leaves it waiting for ever: so whoever sends a token with which the session was used is answered 202 whatever happens,
//! and told on the stream what went wrong. Anybody else gets the status of HTTP, and nothing of the session is touched.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use porthole_contract::{MAX_ECHO, Printable, Token, cut};
use porthole_http::{peer, refusal, take_token};
use porthole_identity::{Authenticator, Caller, UnknownCaller};
use porthole_tools::Verdict;
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ClientNotification, ErrorCode, GetExtensions, JsonRpcMessage, RequestId},
};
use serde::Deserialize;

use super::session::{Added, Session, Sessions};
use crate::{
    MAX_MESSAGE,
    body::{Bodies, Received, Unread},
    handler::{PostedBy, user_agent},
    id::{IMMODEST, called_tool, id_of_ends, ids, is_modest, is_notification, is_short},
};

/// Refused by us, and not by JSON-RPC. Never 401: Dify takes that code for a reason to start OAuth.
const REFUSED: ErrorCode = ErrorCode(-32001);

/// Where the id of the session stands: the two names that clients use.
#[derive(Debug, Deserialize)]
pub(crate) struct To {
    #[serde(alias = "session_id", rename = "sessionId", default)]
    session_id: String,
}

/// What messages are taken with.
#[derive(Clone)]
pub(crate) struct Taking {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) bodies: Bodies,
}

/// Takes one message.
pub(crate) async fn message(
    State(taking): State<Taking>,
    Query(to): Query<To>,
    request: Request,
) -> Response {
    let Taking { sessions, authenticator, bodies } = taking;
    let Some(session) = sessions.find(&to.session_id) else {
        let text =
            "there is no such session: it has ended, or another replica has it. Connect to /sse again.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let (mut parts, body) = request.into_parts();
    let token = take_token(&mut parts.headers);
    let sender = match sender(&authenticator, token.as_ref(), peer(&parts.extensions), &session).await {
        Ok(sender) => sender,
        Err(response) => {
            tracing::warn!(peer = %peer(&parts.extensions), "refused a message to a session of another");
            return response;
        }
    };
    let received = match bodies.enter(&session.owner, &parts.headers).await {
        Ok(permit) => permit.read(body).await,
        Err(unread) => Err(unread),
    };
    let post = Post { sessions: &sessions, session: &session, headers: &parts.headers };
    post.accept(sender, received);
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

/// The client of the session: its caller, or why it no longer is one. Anybody else is refused.
async fn sender(
    authenticator: &Authenticator,
    token: Option<&Token>,
    peer: IpAddr,
    session: &Session,
) -> Result<Result<Caller, UnknownCaller>, Response> {
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
        Err(unknown) if session.tokens.know(&fingerprint) => Ok(Err(unknown)),
        Err(unknown) => Err(refusal(&unknown)),
    }
}

/// A message that the client of a session has posted.
struct Post<'p> {
    sessions: &'p Sessions,
    session: &'p Session,
    headers: &'p HeaderMap,
}

impl Post<'_> {
    fn accept(&self, sender: Result<Caller, UnknownCaller>, received: Result<Received, Unread>) {
        let body = match received {
            Ok(Received::Whole(body)) => body,
            Ok(Received::TooLong { head, tail }) => {
                let text = format!("the message is too long, the limit is {MAX_MESSAGE} bytes");
                let error = ErrorData::invalid_request(text, None);
                return match id_of_ends(&head, &tail) {
                    Some(id) => self.answer(vec![id], &error),
                    None => self.session.abandon(&error),
                };
            }
            Err(unread) => {
                return self.session.abandon(&ErrorData::invalid_request(unread.to_string(), None));
            }
        };
        let caller = match sender {
            Ok(caller) => caller,
            Err(unknown) => return self.refuse(&body, &refused(unknown.to_string())),
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
                self.refuse(&body, &error);
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
                    extensions.insert(PostedBy(agent));
                }
                id = Some(request.id.clone());
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // A cancelled request is never answered, also not when the session ends.
                    self.session.pending.remove(id);
                }
                notification.notification.extensions_mut().insert(caller);
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        let unserved = |message: &ClientJsonRpcMessage, verdict| {
            self.sessions.handler.record_unserved(message, verdict, user_agent(self.headers));
        };
        match id.as_ref().map(|id| self.session.pending.add(id)) {
            None | Some(Added::New) => {}
            Some(Added::Duplicate) => {
                unserved(&message, Verdict::Malformed);
                return tracing::debug!("a request has the id of an open one; the first is answered");
            }
            Some(Added::TooMany) => {
                unserved(&message, Verdict::Busy);
                return self.session.abandon(&refused("too many requests of this session are open"));
            }
        }
        if let Err(message) = self.session.deliver(message) {
            unserved(&message, Verdict::Busy);
            if let Some(id) = id {
                self.session.fail(id, refused("this session sends faster than it is served"));
            }
        }
    }

    /// Tells on the stream what is wrong with a message, by whatever id can be found in it.
    fn refuse(&self, body: &[u8], error: &ErrorData) {
        let ids = ids(body);
        if !ids.is_empty() {
            self.answer(ids, error);
        } else if !is_notification(body) {
            // A notification that cannot be read is nobody's loss; anything else has a sender who waits.
            self.session.abandon(error);
        }
    }

    fn answer(&self, ids: Vec<RequestId>, error: &ErrorData) {
        for id in ids {
            match self.session.pending.add(&id) {
                Added::New => self.session.fail(id, error.clone()),
                // The first with this id is answered.
                Added::Duplicate => {}
                Added::TooMany => return self.session.abandon(error),
            }
        }
    }
}

fn refused(text: impl Into<std::borrow::Cow<'static, str>>) -> ErrorData {
    ErrorData::new(REFUSED, text, None)
}

fn parse(body: &[u8]) -> Result<ClientJsonRpcMessage, ErrorData> {
    if !is_modest(body) {
        return Err(ErrorData::invalid_request(IMMODEST, None));
    }
    let message: ClientJsonRpcMessage = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        let error = Printable(cut(&error, MAX_ECHO));
        ErrorData::invalid_request(format!("this is not a message of MCP: {error}"), None)
    })?;
    if let JsonRpcMessage::Request(request) = &message
        && !is_short(&request.id)
    {
        return Err(ErrorData::invalid_request("the id of the message is too long", None));
    }
    Ok(message)
}
