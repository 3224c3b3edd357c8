//! Sessions: who owns each, which of its requests are open, and how it ends.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage},
    service::serve_directly_with_ct,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, PollSender};

use crate::{identity::Owner, limits::HostLimits, mcp::handler::Handler};

/// Messages that wait in each direction.
const QUEUE: usize = 16;
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

/// One open stream, as the POSTs of its client see it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) owner: Arc<Owner>,
    pub(super) pending: Pending,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    outbox: mpsc::Sender<ServerJsonRpcMessage>,
    /// Ends the service, and so the stream.
    end: CancellationToken,
    /// Cuts the body without ending it.
    cut: CancellationToken,
}

impl Session {
    /// Hands a message to the service; false where it does not keep up.
    pub(super) fn deliver(&self, message: ClientJsonRpcMessage) -> bool {
        self.inbox.try_send(message).is_ok()
    }

    /// Answers an open request with an error. Where even that cannot be sent, the client must notice: the body is cut.
    pub(super) fn fail(&self, id: RequestId, error: ErrorData) {
        if self.outbox.try_send(ServerJsonRpcMessage::error(error, Some(id))).is_err() {
            self.cut.cancel();
        }
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
        self.cut.cancel();
    }
}

/// What a new session's stream is made of.
pub(super) struct Opened {
    pub(super) id: String,
    pub(super) outbox: mpsc::Receiver<ServerJsonRpcMessage>,
    pub(super) pending: Pending,
    pub(super) cut: CancellationToken,
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

/// All open sessions.
pub(crate) struct Sessions {
    handler: Handler,
    limits: HostLimits,
    room: Mutex<HashMap<String, Session>>,
    stopping: CancellationToken,
    left: watch::Sender<u64>,
}

impl Sessions {
    /// Draining cancels `stopping`.
    pub(in crate::mcp) fn new(handler: Handler, limits: HostLimits, stopping: CancellationToken) -> Self {
        let (left, _) = watch::channel(0);
        Self { handler, limits, room: Mutex::default(), stopping, left }
    }

    fn room(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) fn open_now(&self) -> usize {
        self.room().len()
    }

    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.room().get(id).cloned()
    }

    /// Opens a session. Its id is the only way to reach it, so it must not be guessable: 122 random bits.
    pub(super) fn open(self: &Arc<Self>, owner: &Arc<Owner>) -> Result<Opened, Full> {
        if self.stopping.is_cancelled() {
            return Err(Full::Stopping);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let (inbox, from_client) = mpsc::channel(QUEUE);
        let (to_client, outbox) = mpsc::channel(QUEUE);
        let (end, cut, pending) = (CancellationToken::new(), CancellationToken::new(), Pending::default());
        {
            let mut room = self.room();
            let own = room.values().filter(|session| session.owner == *owner).count();
            if room.len() >= self.limits.sessions as usize {
                return Err(Full::Host(self.limits.sessions));
            }
            if own >= self.limits.sessions_per_caller as usize {
                return Err(Full::Caller(self.limits.sessions_per_caller));
            }
            let session = Session {
                owner: Arc::clone(owner),
                pending: pending.clone(),
                inbox,
                outbox: to_client.clone(),
                end: end.clone(),
                cut: cut.clone(),
            };
            room.insert(id.clone(), session);
        }
        // Not serve_server: that ends for good when a client that reconnects does not begin with initialize.
        let service = serve_directly_with_ct::<RoleServer, _, _, _, _>(
            self.handler.for_session(),
            (PollSender::new(to_client), ReceiverStream::new(from_client)),
            None,
            end.clone(),
        );
        // Owned by `end`, which the stream cancels when it is dropped.
        tokio::spawn(service.waiting());
        let leave = Leave { id: id.clone(), sessions: Arc::clone(self), end };
        let changes = self.handler.changes();
        Ok(Opened { id, outbox, pending, cut, changes, _leave: leave })
    }

    /// Opens no more sessions, lets calls finish for `grace`, answers what is still open with an error, ends all streams.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.stopping.cancel();
        let deadline = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        let mut left = self.left.subscribe();
        // Idle sessions end at once; the others as their requests are answered.
        loop {
            let idle: Vec<Session> = {
                let mut room = self.room();
                let idle: Vec<String> = room
                    .iter()
                    .filter(|(_, session)| session.pending.is_empty())
                    .map(|(id, _)| id.clone())
                    .collect();
                idle.iter().filter_map(|id| room.remove(id)).collect()
            };
            for session in idle {
                session.end.cancel();
            }
            if self.room().is_empty() {
                break;
            }
            let soon =
                Instant::now().checked_add(Duration::from_millis(50)).unwrap_or(deadline).min(deadline);
            let _ = timeout_at(soon, left.changed()).await;
            if Instant::now() >= deadline {
                break;
            }
        }
        let stopping = ErrorData::internal_error("this Porthole is stopping; ask again in a moment", None);
        let open: Vec<Session> = self.room().drain().map(|(_, session)| session).collect();
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
}
