//! Body of an SSE stream: endpoint event, messages, keep-alive comments, and its end.
//!
//! By hand, because axum's Sse knows neither the cut of a stream that is not read nor the comments that Dify needs.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use rmcp::model::{ServerJsonRpcMessage, ServerNotification};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    outbox::{Event, NextItem},
    session::SessionStream,
};

/// Interval of keep-alive comments: proxies close streams that are idle for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Delays of comments after a response. Dify abandons the connection then without closing it, and only closes it when
/// it reads something: with these comments a session ends within a quarter second, without them after five minutes.
const RESPONSE_COMMENTS: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];
/// Delay before a cut: hyper discards unwritten data when a body fails, so the last events need time to be sent.
const FLUSH_TIME: Duration = Duration::from_millis(100);
/// Keep-alive comment. Not an event named `ping`, and never an `id:` or `retry:` line: Dify would fail on the next
/// comment.
const COMMENT: &[u8] = b": \n\n";

/// Schedule of the keep-alive comments.
struct Comments(VecDeque<Instant>);

impl Comments {
    fn new(now: Instant) -> Self {
        Self([now + KEEP_ALIVE].into())
    }

    fn restart(&mut self, now: Instant) {
        self.0 = RESPONSE_COMMENTS.iter().map(|after| now + *after).collect();
    }

    fn next(&self) -> Instant {
        self.0.front().copied().unwrap_or_else(Instant::now)
    }

    fn advance(&mut self, now: Instant) {
        self.0.pop_front();
        if self.0.is_empty() {
            self.0.push_back(now + KEEP_ALIVE);
        }
    }
}

struct Body {
    session: SessionStream,
    comments: Comments,
    endpoint_sent: bool,
    /// True once a request was answered. Before that the client knows no tools, and must not be sent notifications.
    answered: bool,
    ended: bool,
}

/// Streams a session's events, from the endpoint to the end. Dropping the stream ends the session.
pub(super) fn body(session: SessionStream) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let body = Body {
        session,
        comments: Comments::new(Instant::now()),
        endpoint_sent: false,
        answered: false,
        ended: false,
    };
    stream::unfold(body, |mut body| async move { body.next().await.map(|event| (event, body)) })
}

impl Body {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        if !self.endpoint_sent {
            self.endpoint_sent = true;
            // A path without a host: clients compare an absolute URL's origin with the one that they connected to.
            let endpoint = format!("event: endpoint\ndata: /messages?sessionId={}\n\n", self.session.id);
            return Some(Ok(endpoint.into()));
        }
        loop {
            tokio::select! {
                // Events first: a flood of list changes must not delay an answer.
                biased;
                next = self.session.outbox.next() => match next {
                    NextItem::Event(event) => {
                        if let Some(bytes) = self.event_bytes(event) {
                            return Some(Ok(bytes));
                        }
                    }
                    // A clean end with an open request would leave Dify waiting forever.
                    NextItem::End if self.session.pending.is_empty() => return None,
                    NextItem::End | NextItem::Cut => return Some(self.cut().await),
                },
                // An error means that the catalog is gone, which only disables this branch.
                Ok(()) = self.session.changes.changed() => if self.answered {
                    let changed = ServerNotification::ToolListChangedNotification(Default::default());
                    let event = Event::of(&ServerJsonRpcMessage::notification(changed));
                    return event.ok().map(|event| Ok(event.bytes));
                },
                () = sleep_until(self.comments.next()) => {
                    self.comments.advance(Instant::now());
                    return Some(Ok(Bytes::from_static(COMMENT)));
                }
            }
        }
    }

    /// Bytes of an event; `None` for an answer whose request is not open.
    fn event_bytes(&mut self, event: Event) -> Option<Bytes> {
        if let Some(id) = event.answers {
            // Dify's client fails on an error without an id, and on a second answer.
            if !id.is_some_and(|id| self.session.pending.remove(&id)) {
                return None;
            }
            self.answered = true;
            self.comments.restart(Instant::now());
        }
        Some(event.bytes)
    }

    /// Breaks the body off, without the last chunk that would make it a clean end.
    async fn cut(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        sleep(FLUSH_TIME).await;
        Err(io::Error::other("the session was cut"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_come_soon_after_a_response_and_then_slowly() {
        let start = Instant::now();
        let mut comments = Comments::new(start);
        assert_eq!(comments.next() - start, KEEP_ALIVE);
        comments.restart(start);
        for after in [250, 1000, 3000, 18_000, 33_000] {
            let next = comments.next();
            assert_eq!((next - start).as_millis(), after);
            comments.advance(next);
        }
    }
}
