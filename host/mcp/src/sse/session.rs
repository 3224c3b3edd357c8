//! SSE sessions: ownership, open requests, limits and shutdown.

use std::{
    collections::{HashMap, VecDeque},
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

use super::{
    outbox::{Outbox, TotalBytes, Writer},
    pending::Pending,
};
use crate::{Shutdown, handler::Handler};

/// Maximum number of a client's queued messages.
const MAX_INBOX: usize = 16;
/// Maximum number of remembered owner tokens; the oldest is dropped first. Tokens are renewed during a session.
const MAX_TOKENS: usize = 8;

/// Age of a client's last message up to which its next one is expected. Dify sends the messages of a visit one after
/// another, within milliseconds of each answer; a visit that has ended is followed by its disconnect.
const BETWEEN_MESSAGES: Duration = Duration::from_secs(2);

/// Error when a session cannot be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OpenError {
    /// The host's session limit is reached.
    #[error(
        "{0} SSE sessions are open, the limit of this host (`sessions`); try again in a moment, or use /mcp, which needs none"
    )]
    Host(u32),
    /// The caller's session limit is reached.
    #[error(
        "{0} SSE sessions of this account are open, its limit (`sessionsPerCaller`); close some, or use /mcp, which needs none"
    )]
    Caller(u32),
    /// The host is shutting down.
    #[error("this Porthole is stopping; connect again in a moment")]
    Stopping,
}

/// Tokens used with a session. They identify its client even after they became invalid.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<VecDeque<Option<Fingerprint>>>>);

impl Tokens {
    fn tokens(&self) -> MutexGuard<'_, VecDeque<Option<Fingerprint>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contains(&self, token: &Option<Fingerprint>) -> bool {
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

/// An open session, as its POSTs use it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) owner: Arc<Owner>,
    pub(super) tokens: Tokens,
    pub(super) pending: Pending,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    /// Time of the client's last message.
    last_received: Arc<Mutex<Option<Instant>>>,
    outbox: Outbox,
    /// Cancels the service, which ends the stream.
    end: CancellationToken,
}

impl Session {
    /// Passes a message to the service; returns it if the service does not keep up.
    pub(super) fn deliver(&self, message: ClientJsonRpcMessage) -> Result<(), Box<ClientJsonRpcMessage>> {
        *self.last_received.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.inbox.try_send(message).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message) => {
                Box::new(message)
            }
        })
    }

    /// Sends an error for an open request.
    pub(super) fn send_error(&self, id: RequestId, error: ErrorData) {
        self.outbox.send(&ServerJsonRpcMessage::error(error, Some(id)));
    }

    fn fail_pending(&self, error: &ErrorData) {
        // The ids stay open until the stream writes: an answer that is queued already takes the place of its error.
        for id in self.pending.ids() {
            self.send_error(id, error.clone());
        }
    }

    /// Ends the session, whose requests are answered. The stream of a client that is about to send a message is broken
    /// off instead: the message goes to another replica, or finds no session here, and Dify waits for ever for the answer
    /// if the stream ends cleanly.
    fn leave(&self) {
        let last = *self.last_received.lock().unwrap_or_else(PoisonError::into_inner);
        if is_within_visit(last, Instant::now()) { self.outbox.cut() } else { self.end.cancel() }
    }

    /// Ends the session after a message whose id cannot be read. Its sender waits for an answer that cannot be
    /// addressed, so the body is broken off: Dify then fails within a second, while a clean end would leave it waiting
    /// forever.
    pub(super) fn abandon(&self, error: &ErrorData) {
        // Queued before the cut, which still sends a small rest.
        self.fail_pending(error);
        self.outbox.cut();
    }
}

/// True if a client is about to send a message: it has sent none yet, or its last one just now.
fn is_within_visit(last_received: Option<Instant>, now: Instant) -> bool {
    last_received.is_none_or(|last| now.saturating_duration_since(last) < BETWEEN_MESSAGES)
}

/// Messages of a session, as the service's input.
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
    /// Audits the calls that did not begin before the session ended.
    fn drop(&mut self) {
        // Closed first, so that no message arrives behind the last one that is drained.
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            self.handler.record_unserved(&message, Verdict::Cancelled, None);
        }
    }
}

/// Stream side of a new session.
pub(super) struct SessionStream {
    pub(super) id: String,
    pub(super) outbox: Outbox,
    pub(super) pending: Pending,
    /// Notifies when the set of served tools changes.
    pub(super) changes: watch::Receiver<u64>,
    /// Ends the session and its calls on drop.
    pub(super) _guard: SessionGuard,
}

/// Removes the session when its stream is dropped.
pub(super) struct SessionGuard {
    id: String,
    sessions: Arc<Sessions>,
    end: CancellationToken,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.end.cancel();
        // Removed before `drain` is notified, which looks into the registry.
        self.sessions.registry().remove(&self.id);
        self.sessions.closed.send_modify(|closed| *closed = closed.wrapping_add(1));
        tracing::debug!("a session has ended");
    }
}

/// Open sessions, with their number per owner.
#[derive(Default)]
struct Registry {
    sessions: HashMap<String, Session>,
    owned: HashMap<Arc<Owner>, u32>,
}

impl Registry {
    fn count_of(&self, owner: &Arc<Owner>) -> u32 {
        self.owned.get(owner).copied().unwrap_or_default()
    }

    fn insert(&mut self, id: String, session: Session) {
        let owned = self.owned.entry(Arc::clone(&session.owner)).or_default();
        *owned = owned.saturating_add(1);
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: &str) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        if let Some(owned) = self.owned.get_mut(&session.owner) {
            *owned = owned.saturating_sub(1);
            // Without this, owners that come and go would fill the map.
            if *owned == 0 {
                self.owned.remove(&session.owner);
            }
        }
        Some(session)
    }

    fn remove_all(&mut self, matches: impl Fn(&Session) -> bool) -> Vec<Session> {
        let matching = self.sessions.iter().filter(|(_, session)| matches(session));
        let ids: Vec<String> = matching.map(|(id, _)| id.clone()).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }
}

/// All open sessions.
pub struct Sessions {
    pub(super) handler: Handler,
    limits: HostLimits,
    registry: Mutex<Registry>,
    shutdown: Shutdown,
    closed: watch::Sender<u64>,
    queued_bytes: TotalBytes,
}

impl Sessions {
    /// Creates the session registry; draining it triggers `shutdown`.
    pub(crate) fn new(handler: Handler, limits: HostLimits, shutdown: Shutdown) -> Self {
        let (closed, _) = watch::channel(0);
        Self {
            handler,
            limits,
            registry: Mutex::default(),
            shutdown,
            closed,
            queued_bytes: TotalBytes::default(),
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of open sessions.
    pub fn open_count(&self) -> usize {
        self.registry().sessions.len()
    }

    /// Finds a session by id. A cut session stays registered until its client disconnects, but accepts no messages.
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.registry().sessions.get(id).filter(|session| !session.outbox.is_closed()).cloned()
    }

    /// Opens a session. The id authorizes access to the session, so it must not be guessable: 122 random bits.
    pub(super) fn open(self: &Arc<Self>, caller: &Caller) -> Result<SessionStream, OpenError> {
        if self.shutdown.begun.is_cancelled() {
            return Err(OpenError::Stopping);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let (inbox, messages) = mpsc::channel(MAX_INBOX);
        let (end, pending, tokens) = (CancellationToken::new(), Pending::default(), Tokens::default());
        let outbox = Outbox::new(end.clone(), self.queued_bytes.clone());
        // Before the session can be found: its first message is recognized by this token.
        tokens.remember(&caller.fingerprint);
        {
            // Limits and insertion under one lock, or sessions that are opened at once would all pass.
            let mut registry = self.registry();
            if registry.sessions.len() >= self.limits.sessions as usize {
                return Err(OpenError::Host(self.limits.sessions));
            }
            if registry.count_of(&caller.owner) >= self.limits.sessions_per_caller {
                return Err(OpenError::Caller(self.limits.sessions_per_caller));
            }
            let session = Session {
                owner: Arc::clone(&caller.owner),
                tokens,
                pending: pending.clone(),
                inbox,
                last_received: Arc::default(),
                outbox: outbox.clone(),
                end: end.clone(),
            };
            registry.insert(id.clone(), session);
        }
        let handler = self.handler.for_session();
        // Not serve_server, which gives up if a reconnecting client does not begin with initialize.
        let service = serve_directly_with_ct::<RoleServer, _, _, _, _>(
            handler.clone(),
            (Writer(outbox.clone()), Inbox { messages, handler }),
            None,
            end.clone(),
        );
        // Ended by `end`, which the stream cancels when it is dropped.
        tokio::spawn(service.waiting());
        let guard = SessionGuard { id: id.clone(), sessions: Arc::clone(self), end };
        let changes = self.handler.changes();
        Ok(SessionStream { id, outbox, pending, changes, _guard: guard })
    }

    /// Ends the open calls of every transport, after the grace period.
    pub fn end_calls(&self) {
        self.shutdown.grace_over.cancel();
    }

    /// Shuts down: rejects new sessions, lets calls finish for `grace`, answers the remaining ones with an error, ends
    /// all streams.
    pub async fn drain(&self, grace: Duration) {
        self.shutdown.begun.cancel();
        let deadline = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        let mut closed = self.closed.subscribe();
        // Idle sessions end at once, the others once their requests are answered.
        loop {
            // Removed before they end, so that no further message finds an idle one.
            let idle = self.registry().remove_all(|session| session.pending.is_empty());
            for session in idle {
                session.leave();
            }
            if self.registry().sessions.is_empty() {
                break;
            }
            // Polled too: `closed` reports only closed streams, and a session turns idle without closing its stream.
            let poll_at =
                Instant::now().checked_add(Duration::from_millis(50)).unwrap_or(deadline).min(deadline);
            let _ = timeout_at(poll_at, closed.changed()).await;
            if Instant::now() >= deadline {
                break;
            }
        }
        // Errors are queued before the end of the service, which ends the stream behind them.
        let error = Shutdown::error();
        let open = self.registry().remove_all(|_| true);
        for session in open {
            if session.pending.is_empty() {
                session.leave();
            } else {
                // The error is what the client waits for, so that nothing follows.
                session.fail_pending(&error);
                session.end.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_lasts_from_before_its_first_message_to_a_while_after_its_last() {
        let start = Instant::now();
        assert!(is_within_visit(None, start) && is_within_visit(Some(start), start));
        let after = |wait| is_within_visit(Some(start), start.checked_add(wait).unwrap());
        assert!(after(Duration::from_millis(1999)) && !after(BETWEEN_MESSAGES));
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
        assert!(!tokens.contains(&token(0)) && !tokens.contains(&None), "forgotten, and never seen");
        assert!(tokens.contains(&token(1)) && tokens.contains(&token(MAX_TOKENS)));
        assert_eq!(tokens.tokens().len(), MAX_TOKENS);
    }
}
