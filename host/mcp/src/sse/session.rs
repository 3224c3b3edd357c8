//! Sessions: who owns each, which of its requests are open, and how it ends.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use porthole_contract::HostLimits;
use porthole_identity::{Caller, Fingerprint, Owner};
use porthole_tools::Verdict;
use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage},
    service::serve_directly_with_ct,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::outbox::{Outbox, Waiting, Writer};
use crate::{Stop, handler::Handler};

/// Messages of a client that wait to be served.
const QUEUE: usize = 16;
/// Tokens of its owner that a session remembers, the newest of them: they are renewed while it lives.
const MAX_TOKENS: usize = 8;
/// Requests of one session that may be open: a client that never reads must not grow the host's memory.
const MOST_PENDING: usize = 64;

/// Why no session is opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// All of the host's sessions are taken.
    #[error(
        "{0} SSE sessions are open, the limit of this host (`sessions`); try again in a moment, or use /mcp, which needs none"
    )]
    Host(u32),
    /// This caller has too many.
    #[error(
        "{0} SSE sessions of this account are open, its limit (`sessionsPerCaller`); close some, or use /mcp, which needs none"
    )]
    Caller(u32),
    /// The host is about to stop.
    #[error("this Porthole is stopping; connect again in a moment")]
    Stopping,
}

/// The ids of a session's open requests. An answer is sent only for an id that is here, and takes it out: so there is
/// exactly one for each, whoever gives it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashSet<RequestId>>>);

/// What adding a request to the open ones found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    /// An open request has the same id.
    Duplicate,
    TooMany,
}

impl Pending {
    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, id: &RequestId) -> Added {
        let mut ids = self.ids();
        if ids.contains(id) {
            return Added::Duplicate;
        }
        if ids.len() >= MOST_PENDING {
            return Added::TooMany;
        }
        ids.insert(id.clone());
        Added::New
    }

    /// Takes an id out; false where it was not there.
    pub(super) fn remove(&self, id: &RequestId) -> bool {
        self.ids().remove(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids().is_empty()
    }
}

/// The tokens with which a session was used. Whoever sends one of them is its client, also when it is no longer valid.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<VecDeque<Option<Fingerprint>>>>);

impl Tokens {
    fn tokens(&self) -> MutexGuard<'_, VecDeque<Option<Fingerprint>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn know(&self, token: &Option<Fingerprint>) -> bool {
        self.tokens().contains(token)
    }

    pub(super) fn remember(&self, token: &Option<Fingerprint>) {
        let mut tokens = self.tokens();
        if tokens.back() == Some(token) {
            return;
        }
        tokens.retain(|known| known != token);
        if tokens.len() >= MAX_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token.clone());
    }
}

/// One open stream, as the POSTs of its client see it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) owner: Arc<Owner>,
    pub(super) tokens: Tokens,
    pub(super) pending: Pending,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    outbox: Outbox,
    /// Ends the service, and so the stream.
    end: CancellationToken,
}

impl Session {
    /// Hands a message to the service; gives it back where that does not keep up.
    pub(super) fn deliver(&self, message: ClientJsonRpcMessage) -> Result<(), Box<ClientJsonRpcMessage>> {
        self.inbox.try_send(message).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message) => {
                Box::new(message)
            }
        })
    }

    /// Answers an open request with an error.
    pub(super) fn fail(&self, id: RequestId, error: ErrorData) {
        self.outbox.send(&ServerJsonRpcMessage::error(error, Some(id)));
    }

    fn fail_all(&self, error: &ErrorData) {
        let open: Vec<RequestId> = self.pending.ids().iter().cloned().collect();
        for id in open {
            self.fail(id, error.clone());
        }
    }

    /// Ends the session because of a message whose id cannot be read. Its sender waits for an answer that cannot be
    /// given, so the body is cut: Dify then fails in a second, while a clean end would leave it waiting for ever.
    pub(super) fn abandon(&self, error: &ErrorData) {
        self.fail_all(error);
        self.outbox.cut();
    }
}

/// The messages of a session on their way to its service.
struct Inbox {
    messages: mpsc::Receiver<ClientJsonRpcMessage>,
    handler: Handler,
}

impl Stream for Inbox {
    type Item = ClientJsonRpcMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientJsonRpcMessage>> {
        self.messages.poll_recv(cx)
    }
}

impl Drop for Inbox {
    /// Calls that did not begin before the session ended are told in the audit log all the same.
    fn drop(&mut self) {
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            self.handler.record_unserved(&message, Verdict::Cancelled, None);
        }
    }
}

/// What a new session's stream is made of.
pub(super) struct Opened {
    pub(super) id: String,
    pub(super) outbox: Outbox,
    pub(super) pending: Pending,
    /// Other tools are served than before.
    pub(super) changes: watch::Receiver<u64>,
    /// Dropping it ends the session and its calls.
    pub(super) _leave: Leave,
}

/// Takes a session out of the room when its stream is dropped.
pub(super) struct Leave {
    id: String,
    sessions: Arc<Sessions>,
    end: CancellationToken,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.end.cancel();
        self.sessions.room().remove(&self.id);
        self.sessions.left.send_modify(|left| *left = left.wrapping_add(1));
        tracing::debug!("a session has ended");
    }
}

/// The sessions that are open, and how many each account has.
#[derive(Default)]
struct Room {
    sessions: HashMap<String, Session>,
    own: HashMap<Arc<Owner>, u32>,
}

impl Room {
    fn own(&self, owner: &Arc<Owner>) -> u32 {
        self.own.get(owner).copied().unwrap_or_default()
    }

    fn insert(&mut self, id: String, session: Session) {
        let own = self.own.entry(Arc::clone(&session.owner)).or_default();
        *own = own.saturating_add(1);
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: &str) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        if let Some(own) = self.own.get_mut(&session.owner) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.own.remove(&session.owner);
            }
        }
        Some(session)
    }

    fn ids(&self, wanted: impl Fn(&Session) -> bool) -> Vec<String> {
        self.sessions.iter().filter(|(_, session)| wanted(session)).map(|(id, _)| id.clone()).collect()
    }
}

/// All open sessions.
pub struct Sessions {
    pub(super) handler: Handler,
    limits: HostLimits,
    room: Mutex<Room>,
    stop: Stop,
    left: watch::Sender<u64>,
    waiting: Waiting,
}

impl Sessions {
    /// Draining begins `stop`.
    pub(crate) fn new(handler: Handler, limits: HostLimits, stop: Stop) -> Self {
        let (left, _) = watch::channel(0);
        Self { handler, limits, room: Mutex::default(), stop, left, waiting: Waiting::default() }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub fn open_now(&self) -> usize {
        self.room().sessions.len()
    }

    /// The session of an id. One that was cut is there until its client has noticed, and takes nothing more.
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.room().sessions.get(id).filter(|session| !session.outbox.is_closed()).cloned()
    }

    /// Opens a session. Its id is the only way to reach it, so it must not be guessable: 122 random bits.
    pub(super) fn open(self: &Arc<Self>, caller: &Caller) -> Result<Opened, Full> {
        if self.stop.begun.is_cancelled() {
            return Err(Full::Stopping);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let (inbox, messages) = mpsc::channel(QUEUE);
        let (end, pending, tokens) = (CancellationToken::new(), Pending::default(), Tokens::default());
        let outbox = Outbox::new(end.clone(), self.waiting.clone());
        tokens.remember(&caller.fingerprint);
        {
            let mut room = self.room();
            if room.sessions.len() >= self.limits.sessions as usize {
                return Err(Full::Host(self.limits.sessions));
            }
            if room.own(&caller.owner) >= self.limits.sessions_per_caller {
                return Err(Full::Caller(self.limits.sessions_per_caller));
            }
            let session = Session {
                owner: Arc::clone(&caller.owner),
                tokens,
                pending: pending.clone(),
                inbox,
                outbox: outbox.clone(),
                end: end.clone(),
            };
            room.insert(id.clone(), session);
        }
        let handler = self.handler.for_session();
        // Not serve_server: that ends for good when a client that reconnects does not begin with initialize.
        let service = serve_directly_with_ct::<RoleServer, _, _, _, _>(
            handler.clone(),
            (Writer(outbox.clone()), Inbox { messages, handler }),
            None,
            end.clone(),
        );
        // Owned by `end`, which the stream cancels when it is dropped.
        tokio::spawn(service.waiting());
        let leave = Leave { id: id.clone(), sessions: Arc::clone(self), end };
        let changes = self.handler.changes();
        Ok(Opened { id, outbox, pending, changes, _leave: leave })
    }

    /// Ends calls that are still open, over whatever transport: their time of grace is over.
    pub fn end_calls(&self) {
        self.stop.over.cancel();
    }

    /// Opens no more sessions, lets calls finish for `grace`, answers what is still open with an error, ends all streams.
    pub async fn drain(&self, grace: Duration) {
        self.stop.begun.cancel();
        let deadline = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        let mut left = self.left.subscribe();
        // Idle sessions end at once; the others as their requests are answered.
        loop {
            let idle: Vec<Session> = {
                let mut room = self.room();
                let idle = room.ids(|session| session.pending.is_empty());
                idle.iter().filter_map(|id| room.remove(id)).collect()
            };
            for session in idle {
                session.end.cancel();
            }
            if self.room().sessions.is_empty() {
                break;
            }
            let soon =
                Instant::now().checked_add(Duration::from_millis(50)).unwrap_or(deadline).min(deadline);
            let _ = timeout_at(soon, left.changed()).await;
            if Instant::now() >= deadline {
                break;
            }
        }
        let stopping = Stop::error();
        let open: Vec<Session> = {
            let mut room = self.room();
            let open = room.ids(|_| true);
            open.iter().filter_map(|id| room.remove(id)).collect()
        };
        for session in open {
            session.fail_all(&stopping);
            session.end.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_answered_once() {
        let pending = Pending::default();
        let id = RequestId::Number(0);
        assert_eq!(pending.add(&id), Added::New);
        assert_eq!(pending.add(&id), Added::Duplicate);
        assert!(pending.remove(&id));
        assert!(!pending.remove(&id));
        for n in 0..i64::try_from(MOST_PENDING).unwrap() {
            assert_eq!(pending.add(&RequestId::Number(n)), Added::New);
        }
        assert_eq!(pending.add(&RequestId::Number(-1)), Added::TooMany);
    }

    #[test]
    fn a_session_remembers_its_newest_tokens() {
        let tokens = Tokens::default();
        let token =
            |n: usize| Some(Fingerprint::of(&porthole_contract::Token::parse(&n.to_string()).unwrap()));
        for n in 0..=MAX_TOKENS {
            tokens.remember(&token(n));
            tokens.remember(&token(1));
        }
        assert!(!tokens.know(&token(0)) && !tokens.know(&None), "forgotten, and never seen");
        assert!(tokens.know(&token(1)) && tokens.know(&token(MAX_TOKENS)));
        assert_eq!(tokens.tokens().len(), MAX_TOKENS);
    }
}
