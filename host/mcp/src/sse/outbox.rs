//! Event queue of a session's stream: bounded in bytes, shared by service and stream, cleared when the session is cut.

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

/// Maximum bytes queued for one stream. Attack: sessions that are never read, each requesting large answers. A single
/// event may be larger, because a client that reads must receive any answer.
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Maximum bytes queued for all streams, so that many sessions cannot bypass the limit of one.
const MAX_TOTAL_BYTES: usize = 64 << 20;
/// Bytes a stream may queue even if the total is exceeded: a flood then cuts only the streams that cause it.
const GUARANTEED_BYTES: usize = 32 << 10;
/// Maximum number of queued events, whatever their size.
const MAX_EVENTS: usize = 256;
/// Memory cost of an event beyond its bytes.
const EVENT_OVERHEAD: usize = 128;

/// A serialized event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) bytes: Bytes,
    /// Request that the event answers; the inner `None` is an error without an id.
    pub(super) answers: Option<Option<RequestId>>,
}

/// Queue of a session's unwritten events.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: Arc<Mutex<Queue>>,
    notify: Arc<Notify>,
    /// Cancels the session's service, and with it its calls.
    end: CancellationToken,
}

/// Bytes queued for all streams of the host.
#[derive(Debug, Clone, Default)]
pub(super) struct TotalBytes(Arc<AtomicUsize>);

struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    total: TotalBytes,
    /// The service has ended and sends no more events.
    ended: bool,
    /// Too many bytes were queued, or the session cannot continue.
    cut: bool,
}

/// Next item of an outbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextItem {
    Event(Event),
    /// The service has ended, and the queue is empty.
    End,
    /// The session was cut: the client must see a broken body.
    Cut,
}

impl Outbox {
    /// Creates the outbox of a session that `end` cancels; its bytes count towards `total`.
    pub(super) fn new(end: CancellationToken, total: TotalBytes) -> Self {
        let queue = Queue { events: VecDeque::new(), bytes: 0, total, ended: false, cut: false };
        Self { queue: Arc::new(Mutex::new(queue)), notify: Arc::default(), end }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message. Cuts the session if a limit is exceeded.
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
        let cost = event.bytes.len().saturating_add(EVENT_OVERHEAD);
        let bytes = queue.bytes.saturating_add(cost);
        let over_own = bytes > MAX_QUEUED_BYTES || queue.events.len() >= MAX_EVENTS;
        let over_total = bytes > GUARANTEED_BYTES && queue.total.bytes() > MAX_TOTAL_BYTES;
        // An empty queue accepts an event of any size: the client has read everything before it.
        if !queue.events.is_empty() && (over_own || over_total) {
            // `cut` takes the lock itself.
            drop(queue);
            tracing::warn!("a session is cut: its client does not read, and {bytes} bytes wait for it");
            return self.cut();
        }
        queue.grow(cost);
        queue.events.push_back(event);
        drop(queue);
        self.notify.notify_one();
    }

    /// Ends the stream after the queued events.
    pub(super) fn end(&self) {
        self.queue().ended = true;
        self.notify.notify_one();
    }

    /// Cuts the stream and cancels the session's calls. A client that does not read keeps its connection for a while,
    /// but no memory.
    pub(super) fn cut(&self) {
        let mut queue = self.queue();
        // Before the service is cancelled: its end would otherwise look like a clean end of the stream.
        queue.cut = true;
        // A small rest fits into socket buffers and is still sent; a large one would stay here until the client
        // disconnects.
        if queue.bytes > MAX_QUEUED_BYTES / 4 {
            queue.clear();
        }
        drop(queue);
        self.end.cancel();
        self.notify.notify_one();
    }

    /// True if the session was cut or has ended.
    pub(super) fn is_closed(&self) -> bool {
        let queue = self.queue();
        queue.cut || queue.ended
    }

    /// Waits for the next item. Single consumer.
    pub(super) async fn next(&self) -> NextItem {
        loop {
            {
                let mut queue = self.queue();
                if let Some(event) = queue.events.pop_front() {
                    queue.shrink(event.bytes.len().saturating_add(EVENT_OVERHEAD));
                    return NextItem::Event(event);
                }
                if queue.cut {
                    return NextItem::Cut;
                }
                if queue.ended {
                    return NextItem::End;
                }
            }
            // A notification between the lock and this await is not lost: `Notify` holds it for the next waiter.
            self.notify.notified().await;
        }
    }
}

impl TotalBytes {
    fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Queue {
    fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.total.0.fetch_add(bytes, Relaxed);
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.total.0.fetch_sub(bytes, Relaxed);
    }

    fn clear(&mut self) {
        self.events.clear();
        self.shrink(self.bytes);
    }
}

impl Drop for Queue {
    /// Returns the bytes of unwritten events to the total.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Event {
    /// Serializes a message.
    pub(super) fn of(message: &ServerJsonRpcMessage) -> serde_json::Result<Self> {
        let answers = match message {
            JsonRpcMessage::Response(response) => Some(Some(response.id.clone())),
            JsonRpcMessage::Error(error) => Some(error.id.clone()),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let mut bytes = b"event: message\ndata: ".to_vec();
        serde_json::to_writer(&mut bytes, message)?;
        bytes.extend_from_slice(b"\n\n");
        Ok(Self { bytes: lines::escape(bytes.into()), answers })
    }
}

/// Service side of an outbox; dropping it ends the stream.
pub(super) struct Writer(pub(super) Outbox);

impl Sink<ServerJsonRpcMessage> for Writer {
    type Error = Infallible;

    // Always ready, without backpressure: `Outbox::send` cuts a session that is not read instead of blocking the
    // service.
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
        let outbox = Outbox::new(CancellationToken::new(), TotalBytes::default());
        let writer = Writer(outbox.clone());
        outbox.send(&message(1, 10));
        outbox.send(&message(2, 10));
        drop(writer);
        outbox.send(&message(3, 10));
        for id in [1, 2] {
            let NextItem::Event(event) = outbox.next().await else { panic!("no event {id}") };
            assert_eq!(event.answers, Some(Some(RequestId::Number(id))));
            assert!(event.bytes.starts_with(b"event: message\ndata: {") && event.bytes.ends_with(b"}\n\n"));
        }
        assert_eq!(outbox.next().await, NextItem::End);
    }

    #[tokio::test]
    async fn what_is_not_read_is_cut_and_gives_its_memory_back() {
        let outbox = Outbox::new(CancellationToken::new(), TotalBytes::default());
        for id in 0..100 {
            outbox.send(&message(id, 100_000));
        }
        assert!(outbox.is_closed());
        assert_eq!(outbox.queue().bytes, 0);
        assert_eq!(outbox.next().await, NextItem::Cut);
        let outbox = Outbox::new(CancellationToken::new(), TotalBytes::default());
        for id in 0..1000 {
            outbox.send(&message(id, 1));
        }
        assert!(outbox.is_closed(), "small events are counted too");
    }

    #[test]
    fn many_streams_together_have_a_bound_too() {
        let total = TotalBytes::default();
        let outboxes: Vec<Outbox> =
            (0..100).map(|_| Outbox::new(CancellationToken::new(), total.clone())).collect();
        for outbox in &outboxes {
            outbox.send(&message(1, 900_000));
            outbox.send(&message(2, 10));
        }
        let cut = outboxes.iter().filter(|outbox| outbox.is_closed()).count();
        assert_eq!(cut, 26, "74 times 900 kB are 64 MiB");
        assert!(total.bytes() < 70 << 20);
        // A stream with little queued is not cut by the others.
        let other = Outbox::new(CancellationToken::new(), total.clone());
        (0..10).for_each(|id| other.send(&message(id, 10)));
        assert!(!other.is_closed());
        drop(other);
        drop(outboxes);
        assert_eq!(total.bytes(), 0);
    }

    #[tokio::test]
    async fn one_large_answer_is_sent() {
        let outbox = Outbox::new(CancellationToken::new(), TotalBytes::default());
        outbox.send(&message(1, 3 << 20));
        assert!(matches!(outbox.next().await, NextItem::Event(event) if event.bytes.len() > 3 << 20));
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
