//! Unread request bodies: discarded for a short time, so that an early answer reaches the client.
//!
//! Closing a connection with unread bytes resets it, and a reset drops data that the client has not read yet, such as
//! the 401 with its reason (RFC 9112, section 9.6). Hand-written: hyper discards only bytes that have arrived already.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// Max bytes to discard of a body: a few messages of maximum size. Beyond it the connection is closed.
const MAX_DISCARDED: usize = 1 << 20;
/// Max time to discard a body. The attack: bodies that trickle, each holding a connection without a token.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// Middleware that discards the rest of a body that the routes did not read.
pub(super) async fn discard(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::EXPECT) {
        // With `Expect`, polling the body would send 100 Continue and thus request a body that is not wanted.
        return next.run(request).await;
    }
    next.run(request.map(|body| Body::new(Leftover(body)))).await
}

/// Body that discards its rest when dropped.
struct Leftover(Body);

impl hyper::body::Body for Leftover {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        // Drained: on drop there is nothing left to discard.
        if let Poll::Ready(None) = polled {
            self.0 = Body::empty();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if hyper::body::Body::is_end_stream(&self.0) {
            return;
        }
        // Without a runtime (shutdown, tests) the body is just dropped.
        if let Ok(runtime) = Handle::try_current() {
            let mut body = mem::take(&mut self.0);
            runtime.spawn(timeout(MAX_DISCARD_TIME, async move {
                let mut left = MAX_DISCARDED;
                while let Some(Ok(frame)) = body.frame().await {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(length) else { break };
                    left = rest;
                }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::{Router, http::StatusCode, middleware::from_fn, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Sends a body in two halves, reads the answer in between, and sends a second request on the same connection.
    async fn converse(length: usize) -> io::Result<(String, String)> {
        let routes =
            Router::new().route("/", post(|| async { StatusCode::UNAUTHORIZED })).layer(from_fn(discard));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let server = tokio::spawn(async { axum::serve(listener, routes).await });
        let head = |length| format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        let half = vec![b'x'; length / 2];
        client.write_all(head(2 * half.len()).as_bytes()).await?;
        client.write_all(&half).await?;
        let first = read_head(&mut client).await?;
        client.write_all(&half).await?;
        client.write_all(head(0).as_bytes()).await?;
        let second = read_head(&mut client).await?;
        server.abort();
        Ok((first, second))
    }

    async fn read_head(client: &mut TcpStream) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    #[tokio::test]
    async fn a_refusal_arrives_before_the_body_does() {
        let (first, second) = converse(MAX_DISCARDED / 2).await.unwrap();
        assert!(first.starts_with("HTTP/1.1 401") && second.starts_with("HTTP/1.1 401"), "{first}{second}");
    }

    #[tokio::test]
    async fn a_vast_body_costs_the_connection() {
        assert!(converse(64 * MAX_DISCARDED).await.is_err());
    }
}
