//! The body of a stream: the endpoint, messages, comments, and its end.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use rmcp::model::{ServerJsonRpcMessage, ServerNotification};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    outbox::{Event, Next},
    session::Opened,
};

/// Between comments while nothing happens: proxies close streams that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After a response Dify leaves, and does not close the connection before it reads something: with these comments a
/// session is gone in a quarter second, without them it would stay for five minutes.
const AFTER_RESPONSE: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];
/// hyper throws away what it has not written yet when a body fails, so the last events get this long to leave.
const LAST_EVENTS: Duration = Duration::from_millis(100);
/// Not named `ping`: a comment has no name. Never an `id:` or `retry:` line: Dify would die of the next comment.
const COMMENT: &[u8] = b": \n\n";

/// When comments are due.
struct Comments(VecDeque<Instant>);

impl Comments {
    fn new(now: Instant) -> Self {
        Self([now + KEEP_ALIVE].into())
    }

    fn response_at(&mut self, now: Instant) {
        self.0 = AFTER_RESPONSE.iter().map(|after| now + *after).collect();
    }

    fn next(&self) -> Instant {
        self.0.front().copied().unwrap_or_else(Instant::now)
    }

    fn written_at(&mut self, now: Instant) {
        self.0.pop_front();
        if self.0.is_empty() {
            self.0.push_back(now + KEEP_ALIVE);
        }
    }
}

struct Body {
    opened: Opened,
    comments: Comments,
    begun: bool,
    /// The client has had an answer. Before that it knows no tools, and nothing may be sent to it.
    answered: bool,
    ended: bool,
}

/// The events of a session, from the endpoint to the end. Dropping it ends the session.
pub(super) fn body(opened: Opened) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let body =
        Body { opened, comments: Comments::new(Instant::now()), begun: false, answered: false, ended: false };
    stream::unfold(body, |mut body| async move { body.next().await.map(|event| (event, body)) })
}

impl Body {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        if !self.begun {
            self.begun = true;
            // A path and no host: clients compare the origin with the address that they were given.
            let endpoint = format!("event: endpoint\ndata: /messages?sessionId={}\n\n", self.opened.id);
            return Some(Ok(endpoint.into()));
        }
        loop {
            tokio::select! {
                biased;
                next = self.opened.outbox.next() => match next {
                    Next::Event(event) => {
                        if let Some(bytes) = self.written(event) {
                            return Some(Ok(bytes));
                        }
                    }
                    // A clean end with a request open would leave Dify waiting for ever.
                    Next::End if self.opened.pending.is_empty() => return None,
                    Next::End | Next::Cut => return Some(self.cut().await),
                },
                Ok(()) = self.opened.changes.changed() => if self.answered {
                    let changed = ServerNotification::ToolListChangedNotification(Default::default());
                    let event = Event::of(&ServerJsonRpcMessage::notification(changed));
                    return event.ok().map(|event| Ok(event.bytes));
                },
                () = sleep_until(self.comments.next()) => {
                    self.comments.written_at(Instant::now());
                    return Some(Ok(Bytes::from_static(COMMENT)));
                }
            }
        }
    }

    /// The bytes of an event; None for an answer to a request that is not open (any more).
    fn written(&mut self, event: Event) -> Option<Bytes> {
        if let Some(id) = event.answers {
            // An error without an id kills Dify's client, and so does a second answer.
            if !id.is_some_and(|id| self.opened.pending.remove(&id)) {
                return None;
            }
            self.answered = true;
            self.comments.response_at(Instant::now());
        }
        Some(event.bytes)
    }

    /// Breaks the body off, without the last chunk that would make it a clean end.
    async fn cut(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        sleep(LAST_EVENTS).await;
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
        comments.response_at(start);
        for after in [250, 1000, 3000, 18_000, 33_000] {
            let next = comments.next();
            assert_eq!((next - start).as_millis(), after);
            comments.written_at(next);
        }
    }
}
