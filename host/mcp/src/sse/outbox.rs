//! What waits for a session's stream: written as events at once, bounded in bytes, and dropped when the session is cut.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Sink;
use rmcp::model::{JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::lines;

/// Bytes that may wait for a stream. The attack: sessions that are never read, each asking for large answers. One event
/// may be larger: the client that reads is sent any answer.
const MAX_WAITING: usize = 1 << 20;
/// Bytes that may wait for all streams together, so that many sessions cannot do what one may not.
const MAX_WAITING_IN_ALL: usize = 64 << 20;
/// Bytes that a stream may have waiting whatever the others have: a flood cuts those who make it.
const OWN_PART: usize = 32 << 10;
/// Events that may wait, whatever their size.
const MAX_EVENTS: usize = 256;
/// What an event costs beside its bytes.
const EVENT_COST: usize = 128;

/// An event, as it goes onto the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) bytes: Bytes,
    /// The request that it answers; inner None for an error without an id.
    pub(super) answers: Option<Option<RequestId>>,
}

/// The events of one session that have not been written yet.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: Arc<Mutex<Queue>>,
    filled: Arc<Notify>,
    /// Ends the service of the session, and with it its calls.
    end: CancellationToken,
}

/// Bytes that wait for all streams of the host.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    in_all: Waiting,
    /// The service has ended: nothing more comes.
    ended: bool,
    /// Too much waited, or the session cannot go on.
    cut: bool,
}

/// The next of an outbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Event(Event),
    /// The service has ended, and everything was taken.
    End,
    /// Nothing more is sent, and the client must notice.
    Cut,
}

impl Outbox {
    /// The outbox of a session whose service `end` ends; what waits in it is counted `in_all`.
    pub(super) fn new(end: CancellationToken, in_all: Waiting) -> Self {
        let queue = Queue { events: VecDeque::new(), bytes: 0, in_all, ended: false, cut: false };
        Self { queue: Arc::new(Mutex::new(queue)), filled: Arc::default(), end }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message into the queue. Where too much waits already the session is cut.
    pub(super) fn send(&self, message: &ServerJsonRpcMessage) {
        let event = match Event::of(message) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!("a message cannot be written: {error}");
                return self.cut();
            }
        };
        let mut queue = self.queue();
        if queue.cut || queue.ended {
            return;
        }
        let cost = event.bytes.len().saturating_add(EVENT_COST);
        let bytes = queue.bytes.saturating_add(cost);
        let full = bytes > MAX_WAITING || queue.events.len() >= MAX_EVENTS;
        let crowded = bytes > OWN_PART && queue.in_all.bytes() > MAX_WAITING_IN_ALL;
        if !queue.events.is_empty() && (full || crowded) {
            drop(queue);
            tracing::warn!("a session is cut: its client does not read, and {bytes} bytes wait for it");
            return self.cut();
        }
        queue.grow(cost);
        queue.events.push_back(event);
        drop(queue);
        self.filled.notify_one();
    }

    /// Ends the stream after the events that wait for it.
    pub(super) fn end(&self) {
        self.queue().ended = true;
        self.filled.notify_one();
    }

    /// Ends the calls of the session and cuts its stream. A client that does not read keeps its connection for a while, but no memory.
    pub(super) fn cut(&self) {
        let mut queue = self.queue();
        queue.cut = true;
        // The client gets what it has room for; what is more than a socket takes would stay here until it leaves.
        if queue.bytes > MAX_WAITING / 4 {
            queue.clear();
        }
        drop(queue);
        self.end.cancel();
        self.filled.notify_one();
    }

    /// Whether the session is cut or has ended.
    pub(super) fn is_closed(&self) -> bool {
        let queue = self.queue();
        queue.cut || queue.ended
    }

    /// Waits for the next event. For one reader.
    pub(super) async fn next(&self) -> Next {
        loop {
            {
                let mut queue = self.queue();
                if let Some(event) = queue.events.pop_front() {
                    queue.shrink(event.bytes.len().saturating_add(EVENT_COST));
                    return Next::Event(event);
                }
                if queue.cut {
                    return Next::Cut;
                }
                if queue.ended {
                    return Next::End;
                }
            }
            self.filled.notified().await;
        }
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Queue {
    fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.in_all.0.fetch_add(bytes, Relaxed);
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.in_all.0.fetch_sub(bytes, Relaxed);
    }

    fn clear(&mut self) {
        self.events.clear();
        self.shrink(self.bytes);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Event {
    /// The event of a message.
    pub(super) fn of(message: &ServerJsonRpcMessage) -> serde_json::Result<Self> {
        let answers = match message {
            JsonRpcMessage::Response(response) => Some(Some(response.id.clone())),
            JsonRpcMessage::Error(error) => Some(error.id.clone()),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let mut bytes = b"event: message\ndata: ".to_vec();
        serde_json::to_writer(&mut bytes, message)?;
        bytes.extend_from_slice(b"\n\n");
        Ok(Self { bytes: lines::escaped(bytes.into()), answers })
    }
}

/// The end of an outbox that the service writes to; dropping it ends the stream.
pub(super) struct Writer(pub(super) Outbox);

impl Sink<ServerJsonRpcMessage> for Writer {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: ServerJsonRpcMessage) -> Result<(), Infallible> {
        self.0.send(&message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use rmcp::ErrorData;

    use super::*;

    fn message(id: i64, bytes: usize) -> ServerJsonRpcMessage {
        ServerJsonRpcMessage::error(
            ErrorData::internal_error("x".repeat(bytes), None),
            Some(RequestId::Number(id)),
        )
    }

    #[tokio::test]
    async fn events_come_in_order_and_then_the_end() {
        let outbox = Outbox::new(CancellationToken::new(), Waiting::default());
        let writer = Writer(outbox.clone());
        outbox.send(&message(1, 10));
        outbox.send(&message(2, 10));
        drop(writer);
        outbox.send(&message(3, 10));
        for id in [1, 2] {
            let Next::Event(event) = outbox.next().await else { panic!("no event {id}") };
            assert_eq!(event.answers, Some(Some(RequestId::Number(id))));
            assert!(event.bytes.starts_with(b"event: message\ndata: {") && event.bytes.ends_with(b"}\n\n"));
        }
        assert_eq!(outbox.next().await, Next::End);
    }

    #[tokio::test]
    async fn what_is_not_read_is_cut_and_gives_its_memory_back() {
        let outbox = Outbox::new(CancellationToken::new(), Waiting::default());
        for id in 0..100 {
            outbox.send(&message(id, 100_000));
        }
        assert!(outbox.is_closed());
        assert_eq!(outbox.queue().bytes, 0);
        assert_eq!(outbox.next().await, Next::Cut);
        let outbox = Outbox::new(CancellationToken::new(), Waiting::default());
        for id in 0..1000 {
            outbox.send(&message(id, 1));
        }
        assert!(outbox.is_closed(), "small events are counted too");
    }

    #[test]
    fn many_streams_together_have_a_bound_too() {
        let in_all = Waiting::default();
        let outboxes: Vec<Outbox> =
            (0..100).map(|_| Outbox::new(CancellationToken::new(), in_all.clone())).collect();
        for outbox in &outboxes {
            outbox.send(&message(1, 900_000));
            outbox.send(&message(2, 10));
        }
        let cut = outboxes.iter().filter(|outbox| outbox.is_closed()).count();
        assert_eq!(cut, 26, "74 times 900 kB are 64 MiB");
        assert!(in_all.bytes() < 70 << 20);
        // One that reads, and has little waiting, goes on beside them.
        let other = Outbox::new(CancellationToken::new(), in_all.clone());
        (0..10).for_each(|id| other.send(&message(id, 10)));
        assert!(!other.is_closed());
        drop(other);
        drop(outboxes);
        assert_eq!(in_all.bytes(), 0);
    }

    #[tokio::test]
    async fn one_large_answer_is_sent() {
        let outbox = Outbox::new(CancellationToken::new(), Waiting::default());
        outbox.send(&message(1, 3 << 20));
        assert!(matches!(outbox.next().await, Next::Event(event) if event.bytes.len() > 3 << 20));
        assert!(!outbox.is_closed());
    }

    #[test]
    fn an_event_holds_no_line_separator() {
        let error = ErrorData::internal_error("a\u{2028}b\u{2029}c\u{85}d", None);
        let event = Event::of(&ServerJsonRpcMessage::error(error, Some(RequestId::Number(1)))).unwrap();
        let text = std::str::from_utf8(&event.bytes).unwrap();
        assert!(text.contains(r"a\u2028b\u2029c\u0085d"), "{text}");
    }
}
